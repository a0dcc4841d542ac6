namespace Curvature.Pruning;

/// <summary>How much of one parameter was pruned.</summary>
/// <param name="Name">The parameter's name.</param>
/// <param name="Weights">Its entries.</param>
/// <param name="Pruned">Those that are zero.</param>
public sealed record PrunedLayer(string Name, long Weights, long Pruned);
