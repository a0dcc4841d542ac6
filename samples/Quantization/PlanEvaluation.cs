using Curvature.Data;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples.Quantization;

/// <summary>How well a network does by plans. Plans of the same bits are evaluated once.</summary>
/// <param name="network">In floating point.</param>
/// <param name="quantizer">Of a width.</param>
/// <param name="quality">Of the network over images.</param>
/// <param name="calibration">Training images.</param>
/// <param name="test">Test images.</param>
internal sealed class PlanEvaluation(QuantizableNetwork network, Func<int, Quantizer> quantizer, Func<Dataset, NetworkQuality> quality, Dataset calibration, Dataset test)
{
    private readonly Dictionary<string, (NetworkQuality Calibration, NetworkQuality Test)> _known = [];

    public QuantizableNetwork Network => network;

    /// <summary>Over calibration and test images.</summary>
    public (NetworkQuality Calibration, NetworkQuality Test) Of(IReadOnlyDictionary<string, int> bits)
    {
        string key = string.Join(' ', network.Layers.Select(layer => bits[layer.Name]));
        if (!_known.TryGetValue(key, out (NetworkQuality Calibration, NetworkQuality Test) found))
        {
            using DisposeScope scope = NewDisposeScope();
            using QuantizedWeights quantized = QuantizedWeights.Apply(network, bits, quantizer);
            found = _known[key] = (quality(calibration), quality(test));
        }

        return found;
    }
}
