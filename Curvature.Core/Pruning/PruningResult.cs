using static TorchSharp.torch;

namespace Curvature.Pruning;

/// <summary>What a <see cref="IPruner"/> did.</summary>
/// <param name="mask">True for each parameter that was set to zero, <c>[P]</c>; this result's from now on.</param>
/// <param name="layers">Each prunable parameter.</param>
/// <param name="steps">The sparsities gone through.</param>
public sealed class PruningResult(Tensor mask, IReadOnlyList<PrunedLayer> layers, IReadOnlyList<PruningStep> steps) : IDisposable
{
    /// <summary>True for each parameter that is pruned, <c>[P]</c> boolean, on the parameters' device.</summary>
    public Tensor Mask => mask;

    /// <summary>The parameters that could be pruned, in order.</summary>
    public IReadOnlyList<PrunedLayer> Layers => layers;

    /// <summary>The sparsities gone through, with the increase of the loss that the quadratic model foretold.</summary>
    public IReadOnlyList<PruningStep> Steps => steps;

    /// <summary>Weights that are zero.</summary>
    public long Pruned => layers.Sum(layer => layer.Pruned);

    /// <summary>Weights that could be pruned.</summary>
    public long Prunable => layers.Sum(layer => layer.Weights);

    /// <summary>Share of the weights that is zero.</summary>
    public double Sparsity => (double)Pruned / Prunable;

    /// <inheritdoc/>
    public void Dispose() => mask.Dispose();
}
