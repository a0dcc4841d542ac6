namespace Curvature.Viz.Figures;

/// <summary>Which points of a landscape's grid are drawn where there are more than a picture can show.</summary>
internal static class LandscapeGrid
{
    private const int Most = 21;

    /// <summary>At most 21 of <paramref name="count"/> places, evenly spaced, with the first, the last and, of an odd number, the middle one.</summary>
    internal static IEnumerable<int> Kept(int count)
    {
        int kept = Math.Min(count, Most);
        return Enumerable.Range(0, kept).Select(i => kept == 1 ? 0 : (int)Math.Round(i * (count - 1.0) / (kept - 1)));
    }
}
