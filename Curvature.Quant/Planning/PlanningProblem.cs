namespace Curvature.Quant.Planning;

/// <summary>
/// A table as the choice it poses: for each unit (a layer, or the layers of a group) one of its widths, so that the sum of sensitivities is least and
/// the limits are kept: the multiple-choice knapsack problem.
/// </summary>
public sealed class PlanningProblem
{
    private const double LargestWhole = 1L << 53;

    private readonly IReadOnlyList<int?> _fixed;

    /// <summary>The choices that <paramref name="table"/> leaves.</summary>
    /// <exception cref="CurvatureException">The table contradicts itself, or its sums pass 2^53.</exception>
    public PlanningProblem(LayerTable table)
    {
        table.Check();
        Table = table;
        _fixed = table.FixedWidths();
        Units =
        [
            .. Enumerable.Range(0, table.Layers.Count)
                .GroupBy(layer => table.Layers[layer].Group is { } group ? "group " + group : $"layer {layer}", StringComparer.Ordinal)
                .Select(unit => new PlanningUnit(table, [.. unit], _fixed[unit.First()] is { } bits ? [bits] : table.Bits)),
        ];
        foreach (PlanCost cost in (PlanCost[])[PlanCost.Size, PlanCost.Bops])
        {
            if (Has(cost) && Units.Sum(unit => unit[cost]!.Max()) is > LargestWhole and double sum)
            {
                throw new CurvatureException($"{table.Name}: {Limit.Name(cost)} sums to {sum:g3} bits, and beyond 2^53 sums are not exact. Count in thousands.");
            }
        }
    }

    /// <summary>The table.</summary>
    public LayerTable Table { get; }

    /// <summary>How many plans there are.</summary>
    public double Plans => Units.Aggregate(1.0, (product, unit) => product * unit.Widths.Length);

    internal IReadOnlyList<PlanningUnit> Units { get; }

    /// <summary>Whether the table says what every layer costs.</summary>
    public bool Has(PlanCost cost) => Units.All(unit => unit[cost] is not null);

    /// <summary>The least and the most that any plan costs, in the unit of <see cref="PlanCost"/>.</summary>
    /// <exception cref="CurvatureException">The table does not say.</exception>
    public (double Least, double Most) Range(PlanCost cost)
    {
        Require(cost, Limit.Name(cost));
        return (Units.Sum(unit => unit[cost]!.Min()), Units.Sum(unit => unit[cost]!.Max()));
    }

    /// <summary>Every layer at <paramref name="bits"/>, except those that are fixed.</summary>
    /// <exception cref="CurvatureException">The table does not offer that width.</exception>
    public BitPlan Uniform(int bits) => Table.Bits.Contains(bits)
        ? Plan([.. Units.Select(unit => Math.Max(0, Array.IndexOf(unit.Widths, bits)))])
        : throw new CurvatureException($"{Table.Name}: {bits} bits are not among its widths, {string.Join(", ", Table.Bits)}.");

    /// <summary>The plan that gives each layer the bits of <paramref name="assignment"/>.</summary>
    /// <exception cref="CurvatureException">A layer is missing or unknown, has bits that the table does not offer, or differs from what its group or table fixes.</exception>
    public BitPlan Evaluate(IReadOnlyDictionary<string, int> assignment)
    {
        if (assignment.Keys.Except(Table.Layers.Select(layer => layer.Name), StringComparer.Ordinal).FirstOrDefault() is { } stranger)
        {
            throw new CurvatureException($"The plan has a layer '{stranger}', which {Table.Name} has not; its layers are {LayerTable.Listed(Table.Layers.Select(layer => layer.Name))}.");
        }

        return Plan([.. Units.Select(unit =>
        {
            int[] asked = [.. unit.Layers.Select(layer => assignment.TryGetValue(Table.Layers[layer].Name, out int bits)
                ? bits
                : throw new CurvatureException($"The plan does not say how many bits layer '{Table.Layers[layer].Name}' gets."))];
            int choice = Array.IndexOf(unit.Widths, asked[0]);
            return choice >= 0 && asked.All(bits => bits == asked[0]) ? choice : throw new CurvatureException(
                $"The plan gives {string.Join(", ", unit.Layers.Zip(asked, (layer, bits) => $"'{Table.Layers[layer].Name}' {bits} bits"))}; {Table.Name} allows {string.Join(", ", unit.Widths)}{(asked.Length > 1 ? ", alike for the group" : "")}.");
        })]);
    }

    /// <summary>The plan that takes of each unit the choice of that index.</summary>
    internal BitPlan Plan(IReadOnlyList<int> choices)
    {
        int[] bits = new int[Table.Layers.Count];
        foreach ((PlanningUnit unit, int choice) in Units.Zip(choices))
        {
            foreach (int layer in unit.Layers)
            {
                bits[layer] = unit.Widths[choice];
            }
        }

        double?[] costs = [.. Enum.GetValues<PlanCost>().Select(cost => Table.Layers.Zip(bits, (layer, width) => LayerCost.Of(layer, cost, width)).Aggregate((a, b) => a + b))];
        long size = (long)costs[(int)PlanCost.Size]!.Value;
        return new BitPlan
        {
            Bits = bits,
            Assignment = new OrderedDictionary<string, int>(Table.Layers.Zip(bits, (layer, width) => KeyValuePair.Create(layer.Name, width)), StringComparer.Ordinal),
            Objective = Table.Layers.Zip(bits, (layer, width) => layer.SensitivityAt(width) ?? 0).Sum(),
            SizeBits = size,
            AverageBits = (double)size / Table.Layers.Sum(layer => layer.Parameters),
            Bops = costs[(int)PlanCost.Bops],
            LatencyMs = costs[(int)PlanCost.Latency],
            MacBits = costs[(int)PlanCost.MacBits],
        };
    }

    /// <summary>The cost of every unit at its fewest, or its most bits.</summary>
    internal double AtExtreme(PlanCost cost, bool most) => Units.Sum(unit => most ? unit[cost]![^1] : unit[cost]![0]);

    /// <summary>The cost of the network in float32.</summary>
    internal decimal Float32(PlanCost cost, int bits, string limit)
    {
        string[] unknown = [.. Table.Layers.Where(layer => cost == PlanCost.Latency && layer.LatencyAt(bits) is null).Select(layer => layer.Name)];
        return unknown.Length > 0
            ? throw new CurvatureException($"{limit}: a share of the latency in float32 needs \"latency_ms\" at \"32\" of every layer; {Table.Name} has none for {LayerTable.Listed(unknown)}. Give milliseconds, or latency=interp:0.5.")
            : Table.Layers.Sum(layer => LayerCost.Exact(cost, LayerCost.Of(layer with { ActivationBits = null }, cost, bits)!.Value));
    }

    /// <summary>Throws where the table does not say what every layer costs.</summary>
    internal void Require(PlanCost cost, string limit)
    {
        if (!Has(cost))
        {
            string[] silent = [.. Units.Where(unit => unit[cost] is null).SelectMany(unit => unit.Layers).Select(layer => Table.Layers[layer].Name)];
            string member = cost == PlanCost.Latency ? "\"latency_ms\" at all bits" : "\"macs\"";
            throw new CurvatureException($"{limit}: it needs {member} of every layer; {Table.Name} lacks some for {LayerTable.Listed(silent)}. Add them, or limit the size.");
        }
    }
}
