using Curvature.Quant.Calibration;

namespace Curvature.Cli.Work;

/// <summary>What calibration did.</summary>
/// <param name="Samples">That it saw.</param>
/// <param name="BatchNorms">How many have new statistics; 0 where there are none or the old ones were the better.</param>
/// <param name="Divergence">From floating point before and after biases were tuned, in nats; null where they were not.</param>
/// <param name="InputBits">Bits of the inputs that are quantized, by layer.</param>
/// <param name="OutputErrors">Mean squared error of each layer's outputs as it was rounded, and now; of layers that learned.</param>
internal sealed record QuantizeCalibration(long Samples, int BatchNorms, (double Before, double After)? Divergence, IReadOnlyDictionary<string, int> InputBits, IReadOnlyDictionary<string, (double Before, double After)> OutputErrors)
{
    public static QuantizeCalibration Of(QuantizedModel quantized)
    {
        QuantizationResult result = quantized.Calibrated!;
        return new(
            quantized.Samples,
            result.BatchNorm?.Norms ?? 0,
            result.Biases is { } biases ? (biases.StartDivergence, biases.Divergence) : null,
            quantized.InputBits,
            result.QuantizedLayers.Where(layer => layer is { StartError: not null, Error: not null }).ToDictionary(layer => layer.Name, layer => (layer.StartError!.Value, layer.Error!.Value), StringComparer.Ordinal));
    }
}
