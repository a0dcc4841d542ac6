using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>Eigenvalues whose residual did not reach the asked tolerance within the products allowed, or a list that may lack some.</summary>
public sealed class NotConverged : IFindingRule
{
    /// <inheritdoc/>
    public string Id => "not-converged";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        Eigenvalue[] open = [.. summary.Eigenvalues.Where(eigenvalue => !eigenvalue.Converged)];
        if (open.Length > 0)
        {
            double worst = open.Max(eigenvalue => eigenvalue.Residual);
            yield return Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"{open.Length} of {summary.Eigenvalues.Count} eigenvalues did not converge; each is known to within its residual, at worst {worst:G3}. Allow more products, or ask for a looser tolerance."),
                ("eigenvalues", open.Length),
                ("largest_residual", worst));
        }
        else if (!summary.EigenvaluesAreComplete)
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                "The products ran out before the search could confirm that no eigenvalue, or copy of a multiple one, is missing. Allow more products.",
                ("eigenvalues", 0));
        }
    }
}
