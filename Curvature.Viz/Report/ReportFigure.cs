using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>A figure with its caption.</summary>
/// <param name="Figure">The figure.</param>
/// <param name="Caption">What to see in it.</param>
public sealed record ReportFigure(Figure Figure, string Caption) : ReportBlock;
