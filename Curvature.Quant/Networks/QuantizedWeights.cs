using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>
/// A network whose weights hold <c>Q_b(W)</c> until this is disposed: simulated quantization, computed in the weights' own dtype. Then, whatever happened between, they hold what they held
/// before, bit for bit.
/// </summary>
public sealed class QuantizedWeights : IDisposable
{
    /// <summary>What stands for a weight that is left as it is.</summary>
    public const int Unquantized = 32;

    private readonly List<(Tensor Weight, Tensor Before)> _kept = [];

    private QuantizedWeights(Dictionary<string, double> errors, Dictionary<string, IReadOnlyList<AffineCodes>> grids) => (SquaredErrors, Grids) = (errors, grids);

    /// <summary><c>|Q(W) - W|^2</c> of each layer that was quantized, summed in float64 before the weights' dtype rounds them.</summary>
    public IReadOnlyDictionary<string, double> SquaredErrors { get; }

    /// <summary>The grid of each channel (or the one of all) of each layer that was quantized.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<AffineCodes>> Grids { get; }

    /// <summary>Quantizes weights in place.</summary>
    /// <param name="network">The network.</param>
    /// <param name="bits">Bits by layer, 2 to 8; 32, or a layer that is absent, leaves its weight as it is.</param>
    /// <param name="quantizer">The quantizer of a width; null: <see cref="Quantizer.HawqWeights"/>.</param>
    /// <exception cref="CurvatureException">A layer that the network has not, bits out of range, a weight that is not finite. Nothing is changed then.</exception>
    public static QuantizedWeights Apply(QuantizableNetwork network, IReadOnlyDictionary<string, int> bits, Func<int, Quantizer>? quantizer = null)
    {
        (string Name, Tensor Weight, int Bits)[] chosen = [.. bits.Where(layer => layer.Value != Unquantized).Select(layer => (layer.Key, network[layer.Key].Weight, layer.Value))];
        var errors = new Dictionary<string, double>(StringComparer.Ordinal);
        var grids = new Dictionary<string, IReadOnlyList<AffineCodes>>(StringComparer.Ordinal);
        var applied = new QuantizedWeights(errors, grids);
        try
        {
            foreach ((string name, Tensor weight, int width) in chosen)
            {
                QuantizedTensor quantized = Named(name, () => (quantizer ?? Quantizer.HawqWeights)(width).Quantize(weight));
                (errors[name], grids[name]) = (quantized.SquaredError, quantized.Channels);
                applied.Replace(weight, quantized);
            }

            return applied;
        }
        catch
        {
            applied.Dispose();
            throw;
        }
    }

    /// <summary>Puts the weights back.</summary>
    public void Dispose()
    {
        using IDisposable noGrad = no_grad();
        foreach ((Tensor weight, Tensor before) in _kept)
        {
            weight.copy_(before);
            before.Dispose();
        }

        _kept.Clear();
    }

    private void Replace(Tensor weight, QuantizedTensor quantized)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        _kept.Add((weight, weight.detach().clone().DetachFromDisposeScope()));
        weight.copy_(quantized.Dequantize());
    }

    private static T Named<T>(string layer, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (CurvatureException error)
        {
            throw new CurvatureException($"Layer '{layer}': {error.Message}", error);
        }
    }
}
