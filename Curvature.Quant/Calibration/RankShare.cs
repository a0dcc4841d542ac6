using Curvature.Objectives;

namespace Curvature.Quant.Calibration;

/// <summary>What one rank goes over of something that all have.</summary>
internal static class RankShare
{
    /// <summary>A stretch, as even as can be, in the order of the ranks: one after the other they are the whole. It may be empty.</summary>
    public static T[] Of<T>(IReadOnlyList<T> all, IRanks ranks)
    {
        int first = First(all.Count, ranks);
        return [.. all.Skip(first).Take((int)((ranks.Rank + 1L) * all.Count / ranks.Count) - first)];
    }

    /// <summary>Where it begins.</summary>
    public static int First(int count, IRanks ranks) => (int)((long)ranks.Rank * count / ranks.Count);
}
