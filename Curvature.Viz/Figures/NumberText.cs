using System.Globalization;
using Curvature.Estimators;

namespace Curvature.Viz.Figures;

/// <summary>
/// Numbers as people read them: rounded to what is known, powers of ten beyond the ordinary range, the same under every culture. No line
/// breaks within a number.
/// </summary>
public static class NumberText
{
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹", TimesTen = "\u00A0×\u00A010", PlusMinus = "\u00A0±\u00A0";
    private const int LeastExponent = -4, MostExponent = 6, MostDigits = 7;

    /// <summary>A number rounded to <paramref name="digits"/> significant digits.</summary>
    public static string Of(double value, int digits = 4)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
        }

        if (value == 0)
        {
            return "0";
        }

        string rounded = value.ToString($"e{digits - 1}", CultureInfo.InvariantCulture);
        int exponent = int.Parse(rounded.AsSpan(rounded.IndexOf('e') + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return exponent is > LeastExponent and < MostExponent
            ? Fixed(double.Parse(rounded, CultureInfo.InvariantCulture), Math.Max(0, digits - 1 - exponent))
            : Scientific(double.Parse(rounded.AsSpan(0, rounded.IndexOf('e')), CultureInfo.InvariantCulture), digits - 1, exponent);
    }

    /// <summary>
    /// An estimate with its standard error at two digits and the value to the same place, <c>123.4 ± 5.6</c>; an exact value alone.
    /// </summary>
    public static string Of(Estimate estimate)
    {
        if (estimate.StandardError == 0 || !double.IsFinite(estimate.Value))
        {
            return Of(estimate.Value);
        }

        if (!double.IsFinite(estimate.StandardError))
        {
            return $"{Of(estimate.Value)}{PlusMinus}unknown";
        }

        if (!HasSamplingError(estimate))
        {
            return $"{Of(estimate.Value, MostDigits)}{PlusMinus}{Of(estimate.StandardError, 1)}";
        }

        int place = Exponent(estimate.StandardError) - 1; // power of ten of the last digit worth showing
        int lead = Math.Max(Exponent(estimate.Value), place + 1);
        if (lead is > LeastExponent and < MostExponent && place < MostExponent)
        {
            return $"{Rounded(estimate.Value, place)}{PlusMinus}{Rounded(estimate.StandardError, place)}";
        }

        string value = Fixed(estimate.Value / Power(lead), lead - place), error = Fixed(estimate.StandardError / Power(lead), lead - place);
        return $"({value}{PlusMinus}{error}){TimesTen}{Superscript(lead)}";
    }

    /// <summary>Whether a standard error is there and not so small beside its value that it tells of rounding only.</summary>
    internal static bool HasSamplingError(Estimate estimate) =>
        estimate.StandardError > 0 && estimate.StandardError >= Math.Abs(estimate.Value) * Power(-MostDigits);

    /// <summary>A count with commas between thousands, as on the terminal.</summary>
    public static string Of(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A count of things, one or several: <c>1 run</c>, <c>8 runs</c>.</summary>
    public static string Of(long count, string thing) => $"{Of(count)} {thing}{(count == 1 ? "" : "s")}";

    /// <summary>A fraction as a percentage to one decimal.</summary>
    public static string Percent(double fraction) => double.IsFinite(fraction) ? $"{Fixed(100 * fraction, 1)}\u00A0%" : Of(fraction);

    /// <summary>An estimated fraction as a percentage with its standard error.</summary>
    public static string Percent(Estimate fraction) =>
        Of(fraction with { Value = 100 * fraction.Value, StandardError = 100 * fraction.StandardError }) + "\u00A0%";

    private static string Rounded(double value, int place) => place < 0
        ? Fixed(value, -place)
        : Fixed(Math.Round(value / Power(place), MidpointRounding.AwayFromZero) * Power(place), 0);

    private static string Fixed(double value, int decimals)
    {
        string text = value.ToString($"F{decimals}", CultureInfo.InvariantCulture);
        return text.AsSpan().ContainsAnyInRange('1', '9') ? text.Replace('-', '−') : text.TrimStart('-');
    }

    private static string Scientific(double mantissa, int decimals, int exponent) =>
        $"{Fixed(mantissa, decimals)}{TimesTen}{Superscript(exponent)}";

    private static string Superscript(int exponent)
    {
        string digits = Math.Abs(exponent).ToString(CultureInfo.InvariantCulture);
        return (exponent < 0 ? "⁻" : "") + string.Concat(digits.Select(digit => Superscripts[digit - '0']));
    }

    private static int Exponent(double value) => value == 0 ? int.MinValue / 2 : (int)Math.Floor(Math.Log10(Math.Abs(value)));

    private static double Power(int exponent) => Math.Pow(10, exponent);
}
