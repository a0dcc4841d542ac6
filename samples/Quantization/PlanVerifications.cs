using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using Curvature.Quant.Sensitivity;

namespace Curvature.Samples.Quantization;

/// <summary>Verifies plans on training images. Plans of the same bits are measured once.</summary>
/// <param name="network">In floating point.</param>
/// <param name="quantizer">Of a width.</param>
/// <param name="quality">Of the network over the images.</param>
internal sealed class PlanVerifications(QuantizableNetwork network, Func<int, Quantizer> quantizer, Func<NetworkQuality> quality)
{
    private readonly Dictionary<string, NetworkQuality> _known = [];

    /// <summary>A plan, or uniform bits where these are measurably better.</summary>
    public PlanLine Better(PlanLine plan, PlanLine uniform) => PlanVerification.Better(Of(plan), [Of(uniform)]) is null ? plan : uniform;

    private NetworkQuality Of(PlanLine plan)
    {
        string key = string.Join(' ', network.Layers.Select(layer => plan.Bits[layer.Name]));
        if (!_known.TryGetValue(key, out NetworkQuality? found))
        {
            using QuantizedWeights quantized = QuantizedWeights.Apply(network, plan.Bits, quantizer);
            found = _known[key] = quality();
        }

        return found;
    }
}
