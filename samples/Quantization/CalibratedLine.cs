namespace Curvature.Samples.Quantization;

/// <summary>How well a network does with weights and activations quantized: a line of its file.</summary>
internal sealed record CalibratedLine
{
    public required string Network { get; init; }

    public required string Recipe { get; init; }

    /// <summary>Of the network's training, and of the choice of calibration images.</summary>
    public required int Seed { get; init; }

    /// <summary>Whether weights and inputs of the first and the last layer are at 8 bits.</summary>
    public required bool EndsAt8 { get; init; }

    /// <summary>Whose plan gives the bits of the weights.</summary>
    public required string Method { get; init; }

    /// <summary>What was done beyond rounding: a name of <see cref="Calibration"/>.</summary>
    public required string Calibration { get; init; }

    /// <summary>Of weights, by layer.</summary>
    public required IReadOnlyDictionary<string, int> Bits { get; init; }

    /// <summary>Mean over the calibration images.</summary>
    public required double CalibrationLoss { get; init; }

    /// <summary>Mean over the test images.</summary>
    public required double TestLoss { get; init; }

    /// <summary>Share of the test images.</summary>
    public required double TestAccuracy { get; init; }

    /// <summary>The processor's for the calibration, on a machine that did other work too.</summary>
    public required double Seconds { get; init; }
}
