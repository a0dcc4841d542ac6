using System.Globalization;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>
/// The loss curves downwards along some direction: the checkpoint is no strict minimum. Certain where an eigenvalue is further below
/// zero than its residual; a node of the density below zero proves it too, since Ritz values never lie below the smallest eigenvalue.
/// Its share of the largest magnitude is told where that was measured: not where eigenvalues of one end alone were looked for, without a density.
/// </summary>
public sealed class NegativeCurvature : IFindingRule
{
    // Rounding of a float32 product, relative to the largest eigenvalue, stays below this.
    private const double Noise = 1e-5;

    // Beyond this share of the largest magnitude the downward directions matter to an optimizer's step.
    private const double Strong = 0.1;

    /// <inheritdoc/>
    public string Id => "negative-curvature";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        (double smallest, double largest) = Ends(summary);
        if (!summary.KnowsLargestMagnitude)
        {
            if (smallest < -summary.EigenvalueRounding)
            {
                yield return Finding.Of(
                    Id,
                    Severity.Info,
                    FormattableString.Invariant(
                        $"The loss has directions of negative curvature: an eigenvalue at or below {smallest:G4}. What share that is of the largest magnitude is not known: eigenvalues of one end alone were looked for."),
                    ("eigenvalue", smallest));
            }
        }
        else if (smallest < -Noise * largest)
        {
            double ratio = -smallest / largest;
            yield return Finding.Of(
                Id,
                ratio > Strong ? Severity.Warning : Severity.Info,
                FormattableString.Invariant(
                    $"The loss has directions of negative curvature: an eigenvalue at or below {smallest:G4}, {(ratio < 0.995 ? (100 * ratio).ToString("G2", CultureInfo.InvariantCulture) : "100")} % of the largest magnitude."),
                ("eigenvalue", smallest),
                ("share_of_largest", ratio));
        }
    }

    /// <summary>An upper bound of the smallest eigenvalue (0 where none is certainly negative), and the largest magnitude.</summary>
    private static (double Smallest, double Largest) Ends(SharpnessSummary summary)
    {
        double smallest = 0;
        double largest = 0;
        foreach (Eigenvalue eigenvalue in summary.Eigenvalues)
        {
            smallest = Math.Min(smallest, eigenvalue.Value + eigenvalue.Residual < 0 ? eigenvalue.Value : 0);
            largest = Math.Max(largest, Math.Abs(eigenvalue.Value));
        }

        if (summary.Density is { } density)
        {
            smallest = Math.Min(smallest, density.Minimum);
            largest = Math.Max(largest, Math.Max(Math.Abs(density.Minimum), Math.Abs(density.Maximum)));
        }

        return (smallest, largest);
    }
}
