namespace Curvature.Quant.Planning;

/// <summary>What is decided in one go: a layer, or the layers of a group. One of its choices is taken.</summary>
internal sealed class PlanningUnit
{
    private readonly double[]?[] _costs;

    public PlanningUnit(LayerTable table, int[] layers, IReadOnlyList<int> widths)
    {
        Layers = layers;
        Widths = [.. widths.Order()];
        Objective = [.. Widths.Select(bits => layers.Sum(layer => table.Layers[layer].SensitivityAt(bits) ?? 0))];
        _costs = [.. Enum.GetValues<PlanCost>().Select(cost => Costs(table, cost))];
    }

    /// <summary>Where its layers are in the table.</summary>
    public int[] Layers { get; }

    /// <summary>Bits of each choice, ascending; one alone where they are fixed.</summary>
    public int[] Widths { get; }

    /// <summary>Sensitivity of each choice.</summary>
    public double[] Objective { get; }

    /// <summary>Cost of each choice; null where the table does not say.</summary>
    public double[]? this[PlanCost cost] => _costs[(int)cost];

    private double[]? Costs(LayerTable table, PlanCost cost)
    {
        double?[] sums = [.. Widths.Select(bits => Layers.Select(layer => LayerCost.Of(table.Layers[layer], cost, bits)).Aggregate((a, b) => a + b))];
        return sums.All(sum => sum is not null) ? [.. sums.Select(sum => sum!.Value)] : null;
    }
}
