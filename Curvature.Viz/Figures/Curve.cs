namespace Curvature.Viz.Figures;

/// <summary>One line of a <see cref="CurvesFigure"/>.</summary>
/// <param name="Title">For the legend; empty for none.</param>
/// <param name="Points">Abscissas ascending; what is not finite is a gap.</param>
/// <param name="Kind">How it looks.</param>
public sealed record Curve(string Title, IReadOnlyList<(double X, double Y)> Points, CurveKind Kind = CurveKind.Measured);
