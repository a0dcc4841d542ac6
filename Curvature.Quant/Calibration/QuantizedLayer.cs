using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// One layer at one width: the weight's values on their grids, the bias that goes with them, and the grid of the layer's input. It owns its tensors; the network's own stay as they are until
/// <see cref="QuantizedLayers"/> puts these in.
/// </summary>
public sealed class QuantizedLayer : IDisposable
{
    internal QuantizedLayer(string name, int bits, Tensor weight, IReadOnlyList<AffineCodes> grids)
    {
        (Name, Bits, Weight, Grids) = (name, bits, weight.DetachFromDisposeScope(), grids);
    }

    /// <summary>The layer's path.</summary>
    public string Name { get; }

    /// <summary>Bits of the weight; 32: it is as it was, and only the input is on a grid.</summary>
    public int Bits { get; }

    /// <summary>The weight's values, each on its channel's grid unless <see cref="Bits"/> is 32, in the weight's own shape and dtype.</summary>
    public Tensor Weight { get; }

    /// <summary>The grid of each output channel, or the one of all; none at 32 bits.</summary>
    public IReadOnlyList<AffineCodes> Grids { get; }

    /// <summary>The bias; null: the layer's own stays.</summary>
    public Tensor? Bias { get; internal init; }

    /// <summary>The grid of the layer's input; null: it stays as it is.</summary>
    public AffineCodes? Input { get; internal init; }

    /// <summary>Bits of the input; null: it stays as it is.</summary>
    public int? InputBits { get; internal init; }

    /// <summary>
    /// Mean squared error of the layer's outputs on the calibration data, over all entries, when the weight was rounded to the nearest values and before anything was learned; null where it was
    /// not measured.
    /// </summary>
    public double? StartError { get; internal init; }

    /// <summary>The same now.</summary>
    public double? Error { get; internal init; }

    /// <summary>Steps that were taken.</summary>
    public int Steps { get; internal init; }

    /// <summary>A weight rounded to the nearest values of its grids, the bias as it is.</summary>
    /// <param name="layer">The layer, whose weight stays as it is.</param>
    /// <param name="bits">2 to 8; 32: the weight keeps its values, and only the input is quantized.</param>
    /// <param name="activations">Ranges of inputs; null, or a layer that they have not seen: the input stays as it is.</param>
    /// <param name="inputBits">Bits of the input; null: those of the weight. 32 leaves it as it is.</param>
    /// <param name="quantizer">Of the weight, for a width; null: <see cref="Quantizer.HawqWeights"/>.</param>
    /// <exception cref="CurvatureException">Bits out of range, or a weight that is not finite.</exception>
    public static QuantizedLayer Round(
        WeightLayer layer, int bits, QuantizedActivations? activations = null, int? inputBits = null, Func<int, Quantizer>? quantizer = null)
    {
        int width = inputBits ?? bits;
        bool hasInput = width != QuantizedWeights.Unquantized && activations?.Has(layer.Name) == true;
        AffineCodes? input = hasInput ? activations!.Grid(layer.Name, width) : null;
        using DisposeScope scope = NewDisposeScope();
        QuantizedTensor? quantized = bits == QuantizedWeights.Unquantized ? null : (quantizer ?? Quantizer.HawqWeights)(bits).Quantize(layer.Weight);
        return new QuantizedLayer(layer.Name, bits, quantized?.Dequantize() ?? layer.Weight.detach().clone(), quantized?.Channels ?? []) { Input = input, InputBits = hasInput ? width : null };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Weight.Dispose();
        Bias?.Dispose();
    }
}
