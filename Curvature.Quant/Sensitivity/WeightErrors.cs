using Curvature.Quant.Quantizers;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// What quantization to each of several widths does to the weights of a network, a layer at a time: the errors <c>e = Q(W) - W</c> as vectors. A layer is a parameter of the space; choose
/// weights only (<c>ParameterSpace.Of(model, "*weight")</c>), since biases stay as they are.
/// </summary>
public sealed class WeightErrors : IDisposable
{
    private readonly Tensor[] _errors;

    private WeightErrors(ParameterSpace space, IReadOnlyList<int> bits, Tensor[] errors, double[,] squares) =>
        (Space, Bits, _errors, Squares) = (space, bits, errors, squares);

    /// <summary>The weights.</summary>
    public ParameterSpace Space { get; }

    /// <summary>The widths, in the order of columns.</summary>
    public IReadOnlyList<int> Bits { get; }

    /// <summary><c>|e|^2</c> by layer and width, summed in float64 before the weights' dtype rounds them.</summary>
    public double[,] Squares { get; }

    /// <summary>Quantizes every weight to every width.</summary>
    /// <param name="weights">The weights; they stay as they are.</param>
    /// <param name="bits">Widths that <paramref name="quantizer"/> knows.</param>
    /// <param name="quantizer">The quantizer of a width; null: <see cref="Quantizer.HawqWeights"/>.</param>
    /// <exception cref="CurvatureException">A weight is not finite.</exception>
    public static WeightErrors Of(ParameterSpace weights, IReadOnlyList<int> bits, Func<int, Quantizer>? quantizer = null)
    {
        using IDisposable noGrad = no_grad();
        var errors = new Tensor[weights.Parameters.Count];
        double[,] squares = new double[errors.Length, bits.Count];
        for (int layer = 0; layer < errors.Length; layer++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor weight = weights.Parameters[layer].detach();
            var columns = new Tensor[bits.Count];
            for (int b = 0; b < columns.Length; b++)
            {
                QuantizedTensor quantized = (quantizer ?? Quantizer.HawqWeights)(bits[b]).Quantize(weight);
                squares[layer, b] = quantized.SquaredError;
                columns[b] = quantized.Dequantize().sub(weight).reshape(-1);
            }

            errors[layer] = stack(columns, 1).DetachFromDisposeScope();
        }

        return new WeightErrors(weights, bits, errors, squares);
    }

    /// <summary>The errors of one layer, <c>[n, widths]</c>; they belong to this object.</summary>
    public Tensor Layer(int layer) => _errors[layer];

    /// <summary>Where a width is among the columns.</summary>
    /// <exception cref="CurvatureException">It is none of <see cref="Bits"/>.</exception>
    public int Column(int bits)
    {
        for (int b = 0; b < Bits.Count; b++)
        {
            if (Bits[b] == bits)
            {
                return b;
            }
        }

        throw new CurvatureException($"Errors at {bits} bits are not there, only at {string.Join(", ", Bits)}.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Tensor error in _errors)
        {
            error.Dispose();
        }
    }
}
