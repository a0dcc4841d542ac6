namespace Curvature.Viz.Figures;

/// <summary>Which exact eigenvalue each found one stands for.</summary>
public static class ExactPairing
{
    /// <summary>
    /// A solver finds eigenvalues from the two ends of the spectrum inwards, however it was asked: sorted, the first s found belong to the
    /// s largest and the others to the smallest. The s with the least sum of differences is taken. Pairing by rank rather than by nearness
    /// shows an eigenvalue that was missed.
    /// </summary>
    /// <param name="found">Eigenvalues in any order; NaN is paired with NaN.</param>
    /// <param name="exact">All eigenvalues.</param>
    /// <returns>The exact partner of each of <paramref name="found"/>, in their order.</returns>
    public static double[] Of(IReadOnlyList<double> found, IReadOnlyList<double> exact)
    {
        double[] partners = [.. Enumerable.Repeat(double.NaN, found.Count)];
        double[] descending = [.. exact.OrderDescending()];
        IEnumerable<int> finite = Enumerable.Range(0, found.Count).Where(i => double.IsFinite(found[i]));
        int[] order = [.. finite.OrderByDescending(i => found[i]).Take(exact.Count)];

        int PartnerRank(int rank, int fromTop) => rank < fromTop ? rank : descending.Length - order.Length + rank;
        double Difference(int fromTop) => order.Select((i, rank) => Math.Abs(found[i] - descending[PartnerRank(rank, fromTop)])).Sum();

        int best = Enumerable.Range(0, order.Length + 1).MinBy(Difference);
        for (int rank = 0; rank < order.Length; rank++)
        {
            partners[order[rank]] = descending[PartnerRank(rank, best)];
        }

        return partners;
    }
}
