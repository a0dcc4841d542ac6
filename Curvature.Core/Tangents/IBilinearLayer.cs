using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// A kind of layer <c>o = B(W, a) + b</c>, linear in its weight W for a fixed input a and linear (or affine) in a for a fixed W. A new kind is one file and one line in <see cref="KnownBilinearLayers"/>.
/// </summary>
internal interface IBilinearLayer
{
    /// <summary>The layer's weight, where it is of this kind as it is set; else null.</summary>
    Tensor? WeightOf(nn.Module layer);

    /// <summary>What a call of it is to derivatives.</summary>
    /// <param name="point">Where the graph is cut; the call keeps it.</param>
    /// <param name="space">The chosen parameters.</param>
    BilinearCall Call(CutPoint point, ParameterSpace space);

    /// <summary>Whether the first dimension of what a layer is given is that of its samples, of which it makes sums of outputs from the same sums of inputs, where their factors sum to one.</summary>
    bool HasSamples(nn.Module layer, Tensor input) => input.dim() > 1;

    /// <summary>The position of a parameter that is differentiated by; -1 for one that is frozen, not among those chosen, or null.</summary>
    static int LiveIndex(ParameterSpace space, Tensor? parameter) => parameter is { requires_grad: true } ? space.IndexOf(parameter) : -1;
}
