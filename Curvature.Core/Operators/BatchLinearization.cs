using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>One batch's share of a curvature matrix at fixed parameters.</summary>
public abstract class BatchLinearization : BatchGraph
{
    /// <summary>The product with v, one part per parameter, null where zero; new tensors of the current scope, without graph.</summary>
    /// <param name="v">One part per parameter, in the parameters' shapes.</param>
    public abstract IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v);
}
