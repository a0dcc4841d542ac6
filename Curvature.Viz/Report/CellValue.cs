using System.Globalization;
using System.Text.RegularExpressions;

namespace Curvature.Viz.Report;

/// <summary>The number that a cell of a table shows, read back from its words: what a column is sorted by.</summary>
public static partial class CellValue
{
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

    /// <summary>
    /// The value of <c>1,797</c>, <c>−0.9 ± 0.1</c>, <c>(1.2 ± 0.1) × 10⁵</c>, <c>12.3 %</c>, <c>1.5 kB</c>, <c>72.34 G</c>, <c>2 to 3</c> (its first), <c>8 (fixed)</c>, <c>−∞</c>; null where the text begins with no number.
    /// </summary>
    public static double? Of(string text)
    {
        Match match = Number().Match(text);
        if (!match.Success)
        {
            return null;
        }

        double size = match.Groups["digits"].Value is "∞"
            ? double.PositiveInfinity
            : double.Parse(match.Groups["digits"].ValueSpan, NumberStyles.AllowDecimalPoint | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        string power = match.Groups["power"].Value;
        double exponent = power.Length == 0 ? 0 : (power[0] == '⁻' ? -1 : 1) * power.TrimStart('⁻').Aggregate(0, (sum, digit) => (10 * sum) + Superscripts.IndexOf(digit));
        double unit = match.Groups["unit"].Value switch { "kB" or "K" => 1e3, "MB" or "M" => 1e6, "G" => 1e9, "T" => 1e12, _ => 1 };
        return (match.Groups["sign"].Length > 0 ? -1 : 1) * size * Math.Pow(10, exponent) * unit;
    }

    // In brackets stand a value and its error with one power of ten for both; without them a power after the error is the error's.
    [GeneratedRegex(@"^(?<open>\()?(?<sign>−)?(?<digits>∞|[\d,]*\.?\d+)(?(open)[^)]*\))(?:\u00A0×\u00A010(?<power>⁻?[⁰¹²³⁴-⁹]+))?(?:[ \u00A0](?<unit>kB|MB|[KMGT])\b)?", RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}
