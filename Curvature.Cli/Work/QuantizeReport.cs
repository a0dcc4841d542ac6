using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>What <c>quantize</c> did.</summary>
internal sealed record QuantizeReport
{
    public required QuantizeRequest Request { get; init; }

    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    public required PlanFile Plan { get; init; }

    public required IReadOnlyList<WeightLayer> Layers { get; init; }

    /// <summary>By layer; of those in floating point none.</summary>
    public required IReadOnlyDictionary<string, double> SquaredErrors { get; init; }

    /// <summary>Null where weights were rounded and no more.</summary>
    public QuantizeCalibration? Calibration { get; init; }

    /// <summary>On the data, and on the held-out samples.</summary>
    public required (NetworkQuality Data, NetworkQuality? Test) Before { get; init; }

    public required (NetworkQuality Data, NetworkQuality? Test) After { get; init; }

    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>Whether loss and accuracy after are with layers' inputs quantized.</summary>
    public bool QuantizesInputs => Calibration?.InputBits.Count > 0;

    /// <summary>Bits of all weights.</summary>
    public long SizeBits => Layers.Sum(layer => layer.Parameters * Plan.Assignment[layer.Name]);

    public double AverageBits => (double)SizeBits / Layers.Sum(layer => layer.Parameters);
}
