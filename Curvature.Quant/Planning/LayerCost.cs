namespace Curvature.Quant.Planning;

/// <summary>What one layer costs. Whole numbers are exact: the table's sums stay below 2^53.</summary>
internal static class LayerCost
{
    /// <summary>The cost at <paramref name="bits"/>; null where the table does not say.</summary>
    public static double? Of(TableLayer layer, PlanCost cost, int bits) => cost switch
    {
        PlanCost.Size => (double)layer.Parameters * bits,
        PlanCost.Bops => (double?)layer.Macs * bits * (layer.ActivationBits ?? bits),
        PlanCost.Latency => layer.LatencyAt(bits),
        _ => (double?)layer.Macs * Math.Max(bits, layer.ActivationBits ?? bits),
    };

    /// <summary>A sum of costs as a decimal: all digits of a whole number, 15 of a latency.</summary>
    public static decimal Exact(PlanCost cost, double value) => cost == PlanCost.Latency ? (decimal)value : (long)value;
}
