namespace Curvature.Viz.Figures;

/// <summary>What can be pointed at in a figure.</summary>
/// <param name="Across">Title of the horizontal axis.</param>
/// <param name="Up">Title of the vertical axis; empty where it has names in place of values.</param>
/// <param name="Series">By series, in the order drawn.</param>
public sealed record FigureMarks(string Across, string Up, IReadOnlyList<MarkedSeries> Series)
{
    /// <summary>Nothing.</summary>
    public static FigureMarks None { get; } = new("", "", []);
}
