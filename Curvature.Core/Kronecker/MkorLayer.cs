using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>A layer <c>s = W a + b</c> as its momentum inverses see it: a weight <c>[Outputs, Inputs]</c> and, behind it, perhaps a bias, whose input is 1.</summary>
/// <param name="Name">For messages and the state.</param>
/// <param name="Outputs">Rows of the weight.</param>
/// <param name="Inputs">Its other entries: the inputs, or for a convolution the entries of a patch.</param>
/// <param name="HasBias">Whether a bias follows the weight.</param>
public sealed record MkorLayer(string Name, long Outputs, long Inputs, bool HasBias)
{
    /// <summary>Columns of the layer's matrix: the inputs, and 1 for the bias.</summary>
    internal long Columns => Inputs + (HasBias ? 1 : 0);

    /// <summary>Parameters of the layer.</summary>
    internal long Count => Outputs * Columns;

    /// <summary>The layers of a parameter space, each a weight or a weight and a bias.</summary>
    /// <exception cref="CurvatureException">A layer of another form, by name.</exception>
    public static IReadOnlyList<MkorLayer> Of(ParameterSpace space)
    {
        ArgumentNullException.ThrowIfNull(space);
        return [.. space.Layers.Select(layer => Of(layer.Name, [.. layer.Indices.Select(i => space.Parameters[i].shape)]))];
    }

    /// <summary>The layer's stretch of a flat vector as its matrix <c>[Outputs, Inputs (+ 1)]</c>, the bias in the last column; in the caller's scope.</summary>
    internal Tensor Pack(Tensor flat)
    {
        Tensor weight = flat.narrow(0, 0, Outputs * Inputs).reshape(Outputs, Inputs);
        return HasBias ? cat([weight, flat.narrow(0, Outputs * Inputs, Outputs).unsqueeze(1)], 1) : weight;
    }

    /// <summary>The inverse of <see cref="Pack"/>.</summary>
    internal Tensor Unpack(Tensor matrix) =>
        HasBias ? cat([matrix.narrow(1, 0, Inputs).reshape(-1), matrix.select(1, Inputs)]) : matrix.reshape(-1);

    private static MkorLayer Of(string name, long[][] shapes) => shapes switch
    {
        [{ Length: > 1 } weight] => new(name, weight[0], Inner(weight), HasBias: false),
        [{ Length: > 1 } weight, [var bias]] when bias == weight[0] => new(name, weight[0], Inner(weight), HasBias: true),
        _ => throw new CurvatureException(
            $"The layer '{name}' has parameters of {string.Join(", ", shapes.Select(shape => $"[{string.Join(", ", shape)}]"))}: a momentum inverse takes a weight, or a weight and "
            + "then its bias. Leave it out (ParameterSpace.Of(model, glob)) and step along its gradient."),
    };

    private static long Inner(long[] weight) => weight.Skip(1).Aggregate(1L, (product, size) => product * size);
}
