using Curvature.Estimators;

namespace Curvature.Sharpness;

/// <summary>A log-determinant or Schatten norm whose quadrature has not settled: its error is not the one that the standard error speaks of.</summary>
public sealed class CoarseQuadrature : IFindingRule
{
    private const double Acceptable = 0.05;

    /// <inheritdoc/>
    public string Id => "coarse-quadrature";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        Finding?[] found =
        [
            Examine("log-determinant", summary.LogDeterminant?.Estimate, summary.LogDeterminant?.QuadratureError),
            Examine("norm", summary.Norm?.Estimate, summary.Norm?.QuadratureError),
        ];
        return found.OfType<Finding>();
    }

    private Finding? Examine(string what, Estimate? estimate, double? quadratureError) =>
        estimate is not null && quadratureError > Math.Max(2 * estimate.StandardError, Acceptable * Math.Abs(estimate.Value))
            ? Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"The {what} still moves by {quadratureError:G2} when half of the Lanczos steps are left out, more than its error bar tells. Ask for more steps."),
                ("quadrature_error", quadratureError),
                ("standard_error", estimate.StandardError))
            : null;
}
