namespace Curvature.Sharpness;

/// <summary>A density of so few Lanczos steps that it shows where the spectrum's mean and ends are, and not its shape.</summary>
public sealed class CoarseDensity : IFindingRule
{
    // A rule of m nodes matches 2 m - 1 moments of the spectrum: below this even the pile at zero has no edge.
    private const int Enough = 20;

    /// <inheritdoc/>
    public string Id => "coarse-density";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Density is not { } density)
        {
            yield break;
        }

        int nodes = density.Runs.Max(run => run.Nodes.Length);
        if (nodes < Math.Min(Enough, density.Dimension))
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                $"The density rests on {nodes} Lanczos step{(nodes == 1 ? "" : "s")} a run: shares of the spectrum and its ends are hardly resolved, whatever their error bars say. "
                + "Ask for more steps, unless the matrix has no more distinct eigenvalues.",
                ("steps", nodes));
        }
    }
}
