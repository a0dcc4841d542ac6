using System.Globalization;
using Curvature.Estimators;

namespace Curvature.Cli.Output;

/// <summary>Numbers as a person reads them, alike under every culture.</summary>
internal static class Format
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>What stands for an error that one sample cannot tell.</summary>
    public const string Unknown = "unknown";

    /// <summary>Five significant digits.</summary>
    public static string Number(double value) => value.ToString("g5", Culture);

    /// <summary>An error bar or residual: two significant digits.</summary>
    public static string Error(double value) => value.ToString("g2", Culture);

    /// <summary>A count with thousands separators.</summary>
    public static string Count(long value) => value.ToString("N0", Culture);

    /// <summary>A count of things, one or several: <c>1 probe</c>, <c>64 probes</c>.</summary>
    public static string Count(long value, string thing, string? things = null) => $"{Count(value)} {(value == 1 ? thing : things ?? thing + "s")}";

    /// <summary>A share in percent.</summary>
    public static string Percent(double share) => (100 * share).ToString("F1", Culture) + " %";

    /// <summary>An estimated share in percent, to the digits that its standard error allows; one too small for a tenth of a percent says so.</summary>
    public static string Percent(Estimate share)
    {
        const double Least = 0.0005;
        const int MostDecimals = 3;
        if (!double.IsFinite(share.StandardError))
        {
            return $"{Percent(share.Value)} ± {Unknown}";
        }

        if (Math.Abs(share.Value) < Least && share.StandardError < Least)
        {
            return "< 0.1 %";
        }

        int decimals = share.StandardError > 0 ? (int)Math.Clamp(1 - Math.Floor(Math.Log10(100 * share.StandardError)), 1, MostDecimals) : 1;
        string error = (100 * share.StandardError).ToString("F" + decimals, Culture);
        return $"{(100 * share.Value).ToString("F" + decimals, Culture)} % ± {(share.StandardError > 0 && double.Parse(error, Culture) == 0 ? "< 0.001" : error)} %";
    }

    /// <summary>A duration with the unit that fits it.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        < 0.001 => (1e6 * time.TotalSeconds).ToString("F0", Culture) + " us",
        < 1 => (1e3 * time.TotalSeconds).ToString("F0", Culture) + " ms",
        < 10 => time.TotalSeconds.ToString("F1", Culture) + " s",
        < 120 => time.TotalSeconds.ToString("F0", Culture) + " s",
        _ => time.TotalMinutes.ToString("F1", Culture) + " min",
    };

    /// <summary>A number of bytes with the unit that fits it, in steps of 1,000.</summary>
    public static string Bytes(double bytes) => bytes switch
    {
        < 1e3 => bytes.ToString("F0", Culture) + " B",
        < 1e6 => (bytes / 1e3).ToString("g3", Culture) + " kB",
        < 1e9 => (bytes / 1e6).ToString("g3", Culture) + " MB",
        < 1e12 => (bytes / 1e9).ToString("g3", Culture) + " GB",
        _ => (bytes / 1e12).ToString("g3", Culture) + " TB",
    };

    /// <summary>A value and its standard error, both to the error's second digit; an exact value says so.</summary>
    public static string Estimate(Estimate estimate) => estimate.StandardError == 0
        ? $"{Number(estimate.Value)} (exact)"
        : !double.IsFinite(estimate.StandardError) ? $"{Number(estimate.Value)} ± {Unknown}"
        : $"{Rounded(estimate.Value, estimate.StandardError)} ± {Rounded(estimate.StandardError, estimate.StandardError)}";

    /// <summary>The 95 % interval, to the digits that its standard error allows; nothing for an exact value.</summary>
    public static string Interval(Estimate estimate)
    {
        (double low, double high) = estimate.ConfidenceInterval();
        return estimate.StandardError == 0 ? "" : !double.IsFinite(high - low) ? Unknown : $"{Rounded(low, estimate.StandardError)} .. {Rounded(high, estimate.StandardError)}";
    }

    /// <summary>A number to the decimal place of the second significant digit of <paramref name="error"/>.</summary>
    private static string Rounded(double value, double error)
    {
        double decimals = 1 - Math.Floor(Math.Log10(error));
        return decimals is >= 0 and <= 6 ? value.ToString("F" + (int)decimals, Culture)
            : decimals is < 0 and >= -6 ? value.ToString("F0", Culture)
            : value == error ? Error(error) : Number(value);
    }
}
