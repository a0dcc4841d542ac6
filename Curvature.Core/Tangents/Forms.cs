using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Inner products of k pairs of tensors.</summary>
internal static class Forms
{
    /// <summary>
    /// <c>x_j . y_j</c> for <c>[k, ...]</c> each: <c>[k]</c> in float64, in the caller's scope. The last dimension is summed pairwise in the tensors' own precision first, which spares a copy in float64.
    /// </summary>
    public static Tensor Of(Tensor x, Tensor y)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor terms = x.mul(y);
        Tensor sums = terms.dim() > 1 ? terms.sum(dim: -1) : terms;
        return sums.to(ScalarType.Float64).reshape(terms.shape[0], -1).sum(dim: 1).MoveToOuterDisposeScope();
    }
}
