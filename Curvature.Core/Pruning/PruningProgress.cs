namespace Curvature.Pruning;

/// <summary>How far pruning has come.</summary>
/// <param name="Done">Steps finished.</param>
/// <param name="Total">Steps in all.</param>
/// <param name="Sparsity">Share of the weights that is zero by now.</param>
public readonly record struct PruningProgress(int Done, int Total, double Sparsity);
