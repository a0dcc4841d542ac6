namespace Curvature.Samples.Quantization;

/// <summary>A plan and how well the network does by it: a line of its file.</summary>
internal sealed record PlanLine
{
    public required string Network { get; init; }

    public required string Recipe { get; init; }

    /// <summary>Of the network's training, and of the choice of calibration images.</summary>
    public required int Seed { get; init; }

    /// <summary>Of the weights; empty: they are not quantized.</summary>
    public required string Grid { get; init; }

    /// <summary>Whether the first and the last layer are at 8 bits.</summary>
    public required bool EndsAt8 { get; init; }

    /// <summary>Of a <see cref="PlanMethod"/>, or one of the names in <see cref="PlanRuns"/>.</summary>
    public required string Method { get; init; }

    /// <summary>Bits that uniform quantization of the same size has, in all layers or between the ends; 32: not quantized.</summary>
    public required int AverageBits { get; init; }

    /// <summary>By layer.</summary>
    public required IReadOnlyDictionary<string, int> Bits { get; init; }

    /// <summary>Mean over the calibration images.</summary>
    public required double CalibrationLoss { get; init; }

    /// <summary>Mean over the test images.</summary>
    public required double TestLoss { get; init; }

    /// <summary>Share of the test images.</summary>
    public required double TestAccuracy { get; init; }
}
