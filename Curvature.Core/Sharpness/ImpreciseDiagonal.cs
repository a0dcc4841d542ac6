namespace Curvature.Sharpness;

/// <summary>A diagonal whose error, as one vector, is more than a fifth of it.</summary>
public sealed class ImpreciseDiagonal : IFindingRule
{
    private const double Acceptable = 0.2;

    /// <inheritdoc/>
    public string Id => "imprecise-diagonal";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Diagonal is { RelativeError: > Acceptable } diagonal)
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"The entries of the diagonal are off by {100 * diagonal.RelativeError:F0} % of its length. Four times the products halve that; where few eigenvalues are large, XDiag needs fewer."),
                ("relative_error", diagonal.RelativeError),
                ("products", diagonal.Products));
        }
    }
}
