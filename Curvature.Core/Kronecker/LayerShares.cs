namespace Curvature.Kronecker;

/// <summary>
/// Which rank works on which layer: the costliest first, each to the rank that has least to do so far, so that the most loaded one has at most 4/3 of what the best division would give it (Graham 1969, Bounds on Multiprocessing Timing Anomalies). The same
/// on all ranks.
/// </summary>
internal static class LayerShares
{
    /// <summary>The rank of each layer.</summary>
    /// <param name="costs">Of the layers.</param>
    /// <param name="ranks">How many.</param>
    public static int[] Of(IReadOnlyList<double> costs, int ranks)
    {
        int[] owners = new int[costs.Count];
        double[] loads = new double[ranks];
        foreach (int layer in Enumerable.Range(0, costs.Count).OrderByDescending(i => costs[i]))
        {
            int least = Array.IndexOf(loads, loads.Min());
            owners[layer] = least;
            loads[least] += costs[layer];
        }

        return owners;
    }
}
