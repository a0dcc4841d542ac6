using System.Globalization;

namespace Curvature.Quant.Planning;

/// <summary>What plans cost, as a person reads it and limits are written: bytes, milliseconds, and bit operations in thousands, <c>72.34 G</c> (<c>bops=72G</c>).</summary>
public static class CostText
{
    private static readonly (double Scale, string Unit)[] Thousands = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " K")];

    /// <summary>A cost in words, alike under every culture.</summary>
    /// <param name="cost">Which.</param>
    /// <param name="value">In the unit of <see cref="PlanCost"/>: a size in bits.</param>
    public static string Of(PlanCost cost, double value) => cost switch
    {
        PlanCost.Size => string.Create(CultureInfo.InvariantCulture, $"{value / 8:N0} bytes"),
        PlanCost.Latency => string.Create(CultureInfo.InvariantCulture, $"{value:g6} ms"),
        _ => Short(value),
    };

    private static string Short(double value)
    {
        const double LongestWhole = 1e3;
        (double scale, string unit) = Math.Abs(value) < LongestWhole ? (1, "") : Array.Find(Thousands, thousand => Math.Abs(value) >= thousand.Scale);
        return unit.Length == 0 ? value.ToString("N0", CultureInfo.InvariantCulture) : (value / scale).ToString(Math.Abs(value / scale) switch { >= 999.95 => "F0", >= 99.995 => "F1", >= 9.9995 => "F2", _ => "F3" }, CultureInfo.InvariantCulture) + unit;
    }
}
