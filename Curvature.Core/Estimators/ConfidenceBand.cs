namespace Curvature.Estimators;

/// <summary>A curve with a confidence interval at each point.</summary>
/// <param name="X">Abscissas.</param>
/// <param name="Value">The curve.</param>
/// <param name="Low">Lower ends.</param>
/// <param name="High">Upper ends.</param>
/// <param name="Level">Coverage of each point on its own, not of the curve as a whole.</param>
public sealed record ConfidenceBand(
    IReadOnlyList<double> X, IReadOnlyList<double> Value, IReadOnlyList<double> Low, IReadOnlyList<double> High, double Level);
