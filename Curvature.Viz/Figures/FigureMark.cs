namespace Curvature.Viz.Figures;

/// <summary>A value in a figure.</summary>
/// <param name="X">From the left, in units of the picture.</param>
/// <param name="Y">From the top.</param>
/// <param name="Across">The value across, as text.</param>
/// <param name="Up">The value upwards, as text; empty where the height means nothing.</param>
public sealed record FigureMark(double X, double Y, string Across, string Up);
