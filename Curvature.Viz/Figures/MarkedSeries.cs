namespace Curvature.Viz.Figures;

/// <summary>The values of one series of a figure.</summary>
/// <param name="Title">Its name in the legend.</param>
/// <param name="Marks">In the order drawn.</param>
public sealed record MarkedSeries(string Title, IReadOnlyList<FigureMark> Marks);
