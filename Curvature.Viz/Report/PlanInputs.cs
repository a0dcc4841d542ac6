using Curvature.Quant.Networks;
using Curvature.Quant.Planning;

namespace Curvature.Viz.Report;

/// <summary>Bits of layers' inputs under the plans that were measured.</summary>
/// <param name="Bits">By layer, in the model's order; layers that are absent see their inputs in floating point.</param>
public sealed record PlanInputs(IReadOnlyDictionary<string, int> Bits)
{
    /// <summary>How they were chosen: HAWQ-V2's sensitivities of activations, whose sizes are entries of one sample's inputs; null: they were asked for.</summary>
    public LayerTable? Table { get; init; }

    /// <summary>The plan made of <see cref="Table"/>; null where there is none.</summary>
    public BitPlan? Plan { get; init; }

    /// <summary>What <see cref="Plan"/> keeps.</summary>
    public IReadOnlyList<Limit> Limits { get; init; } = [];

    /// <summary>The width of all inputs; null where they differ.</summary>
    public int? Common => Widths is [var width] ? width : null;

    /// <summary>In words: "4 bits", "2, 4 or 8 bits".</summary>
    public string Text => Widths is [var width] ? $"{width} bits" : $"{string.Join(", ", Widths[..^1])} or {Widths[^1]} bits";

    private int[] Widths => [.. Bits.Values.Where(bits => bits != QuantizedWeights.Unquantized).Distinct().Order()];
}
