using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>One batch's share of a curvature matrix at fixed parameters.</summary>
public abstract class BatchLinearization : BatchGraph
{
    /// <summary>The product with v, one part per parameter, null where zero; new tensors of the current scope, without graph.</summary>
    /// <param name="v">One part per parameter, in the parameters' shapes.</param>
    public abstract IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v);

    /// <summary>The quadratic forms <c>v_i^T (C v)_i</c> of each parameter i, one column a vector, float64 <c>[parameters, k]</c>, a new tensor of the current scope; for linearizations made for them.</summary>
    /// <param name="v">The vectors, one a row, <c>[k, P]</c>.</param>
    internal virtual Tensor Forms(Tensor v) => throw new CurvatureException($"{GetType().Name} knows products and no quadratic forms of its own.");
}
