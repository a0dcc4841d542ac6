namespace Curvature.Quant.Planning;

/// <summary>Bits for every layer of a table, and what they cost.</summary>
public sealed record BitPlan
{
    /// <summary>Bits of each layer, in the table's order.</summary>
    public required IReadOnlyList<int> Bits { get; init; }

    /// <summary>Bits by the layer's name, in the table's order.</summary>
    public required IReadOnlyDictionary<string, int> Assignment { get; init; }

    /// <summary>Sum over layers of the sensitivity at their bits: what quantization is held to add to the loss, to the factor that the table leaves out.</summary>
    public required double Objective { get; init; }

    /// <summary>Bits of all weights.</summary>
    public required long SizeBits { get; init; }

    /// <summary>Bytes of all weights, unpadded and without scales.</summary>
    public double SizeBytes => SizeBits / 8.0;

    /// <summary>Bits of a weight on average.</summary>
    public required double AverageBits { get; init; }

    /// <summary>Bit operations of one sample; null where the table does not say.</summary>
    public required double? Bops { get; init; }

    /// <summary>Milliseconds; null where the table does not say.</summary>
    public required double? LatencyMs { get; init; }

    /// <summary>Multiply-accumulates times the larger of the bits of weight and input; null where the table does not say.</summary>
    public required double? MacBits { get; init; }

    /// <summary>One of the costs, in the unit of <see cref="PlanCost"/>; null where the table does not say.</summary>
    public double? Cost(PlanCost cost) => cost switch
    {
        PlanCost.Size => SizeBits,
        PlanCost.Bops => Bops,
        PlanCost.Latency => LatencyMs,
        _ => MacBits,
    };
}
