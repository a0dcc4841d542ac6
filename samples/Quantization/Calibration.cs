namespace Curvature.Samples.Quantization;

/// <summary>What is done to a network with weights and activations quantized.</summary>
/// <param name="Name">In results and on the page.</param>
/// <param name="Learns">Whether weights, biases and ranges are learned layer by layer (AdaQuant).</param>
/// <param name="Tunes">Whether the statistics of batch norms are taken anew and then all biases trained.</param>
internal sealed record Calibration(string Name, bool Learns, bool Tunes)
{
    public static IReadOnlyList<Calibration> All { get; } =
        [new("rounded", Learns: false, Tunes: false), new("rounded, tuned", Learns: false, Tunes: true), new("AdaQuant", Learns: true, Tunes: false), new("AdaQuant, tuned", Learns: true, Tunes: true)];
}
