using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// A kind of layer <c>o = B(W, a) + b</c>, linear in its weight W for a fixed input a and the other way round. A new kind is one file and one line in <see cref="KnownBilinearLayers"/>.
/// </summary>
internal interface IBilinearLayer
{
    /// <summary>The layer's weight, where it is of this kind as it is set; else null.</summary>
    Tensor? WeightOf(nn.Module layer);

    /// <summary>What a call of it is to derivatives.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="input">a, without graph; the call keeps it.</param>
    /// <param name="space">The chosen parameters.</param>
    BilinearCall Call(nn.Module layer, Tensor input, ParameterSpace space);

    /// <summary>The position of a parameter that is differentiated by; -1 for one that is frozen, not among those chosen, or null.</summary>
    static int LiveIndex(ParameterSpace space, Tensor? parameter) => parameter is { requires_grad: true } ? space.IndexOf(parameter) : -1;
}
