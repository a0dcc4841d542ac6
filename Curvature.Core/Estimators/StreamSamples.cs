namespace Curvature.Estimators;

/// <summary>What each probe of a stream gave, to be paired with another stream's.</summary>
/// <param name="Sums"><c>v^T A v</c>.</param>
/// <param name="Layers">The same of each layer's block.</param>
/// <param name="Squares"><c>|A v|^2</c>.</param>
/// <param name="AreExact">Whether the probes are the unit vectors.</param>
internal sealed record StreamSamples(IReadOnlyList<double> Sums, IReadOnlyList<IReadOnlyList<double>> Layers, IReadOnlyList<double> Squares, bool AreExact);
