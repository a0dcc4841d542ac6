namespace Curvature.Samples.Quantization;

/// <summary>What one sensitivity says of each layer of a network: a line of its file.</summary>
internal sealed record LayerLine
{
    public required string Network { get; init; }

    public required string Recipe { get; init; }

    /// <summary>Of the network's training, and of the choice of calibration images.</summary>
    public required int Seed { get; init; }

    /// <summary>Of the weights.</summary>
    public required string Grid { get; init; }

    public required string Method { get; init; }

    /// <summary>The widths.</summary>
    public required IReadOnlyList<int> Bits { get; init; }

    /// <summary>By layer, at these widths.</summary>
    public required IReadOnlyDictionary<string, double[]> Values { get; init; }

    /// <summary>The processor's, on a machine that did other work too; what two plans share counts once.</summary>
    public required double Seconds { get; init; }

    /// <summary>At some bits, in the order of the layers.</summary>
    public IEnumerable<double> At(int bits) => Values.Values.Select(values => values[Bits.ToList().IndexOf(bits)]);
}
