using System.Globalization;
using System.Text.RegularExpressions;

namespace Curvature.Quant.Planning;

/// <summary>
/// What a plan may cost at most. As text (<see cref="Parse"/>): <c>size=7.5MB</c>, <c>size=40%</c> of the size in float32, <c>size=interp:0.5</c>: halfway between
/// all layers at their fewest and all at their most bits; the same for <c>bops</c> and <c>latency</c>; <c>avg-bits=4</c>: bits of a weight on average;
/// <c>compression=1.5</c>: NNCF's ratio, which a plan reaches or passes. A unit of 1000 is K, M, G or T (MB, Gbops), of 1024 Ki, Mi or Gi (MiB);
/// published sizes of networks are often in MiB under the name of MB. Layers that are fixed count in full.
/// </summary>
public sealed partial record Limit
{
    private const int FloatBits = 32;

    private Limit(PlanCost cost, LimitForm form, decimal value, string text) => (Cost, Form, Value, Text) = (cost, form, value, text);

    /// <summary>What is limited.</summary>
    public PlanCost Cost { get; }

    /// <summary>The limit as it is written on a command line.</summary>
    public string Text { get; }

    private LimitForm Form { get; }

    private decimal Value { get; }

    /// <summary>At most this much: bytes, bit operations, milliseconds.</summary>
    /// <exception cref="CurvatureException">The value is negative.</exception>
    public static Limit AtMost(PlanCost cost, decimal value) => new(cost, LimitForm.Absolute, NotNegative(value), $"{Name(cost)}={Show(value)}");

    /// <summary>At most this share of what the network costs in float32; of a latency the table has to say that (<c>"32"</c>).</summary>
    /// <exception cref="CurvatureException">The share is negative.</exception>
    public static Limit Share(PlanCost cost, decimal share) => new(cost, LimitForm.Share, NotNegative(share), $"{Name(cost)}={Show(100 * share)}%");

    /// <summary>At most <c>low + fraction (high - low)</c>: low with all layers at their fewest bits, high at their most (HAWQ-V3: Yao et al. 2021, section 3.4).</summary>
    /// <exception cref="CurvatureException">The fraction is not from 0 to 1.</exception>
    public static Limit Interpolate(PlanCost cost, decimal fraction) => fraction is >= 0 and <= 1
        ? new(cost, LimitForm.Interpolated, fraction, $"{Name(cost)}=interp:{Show(fraction)}")
        : throw new CurvatureException($"Expected a fraction from 0 (fewest bits) to 1 (most bits), got {Show(fraction)}.");

    /// <summary>At most this many bits of a weight, averaged over all parameters of the table.</summary>
    /// <exception cref="CurvatureException">The number is negative.</exception>
    public static Limit AverageBits(decimal bits) => new(PlanCost.Size, LimitForm.AverageBits, NotNegative(bits), $"avg-bits={Show(bits)}");

    /// <summary>
    /// A compression ratio of at least this much: <c>sum_l 8 MAC_l / sum_l MAC_l max(b_w, b_a)</c>, as NNCF's mixed-precision search has it
    /// (openvinotoolkit/nncf, <c>compression_ratio</c>; 8 bits everywhere are 1).
    /// </summary>
    /// <exception cref="CurvatureException">The ratio is not from 0.01 to 1000.</exception>
    public static Limit Compression(decimal ratio) => ratio is >= 0.01m and <= 1000
        ? new(PlanCost.MacBits, LimitForm.Compression, ratio, $"compression={Show(ratio)}")
        : throw new CurvatureException($"Expected a compression ratio from 0.01 to 1000, got {Show(ratio)}.");

    /// <summary>Reads <c>NAME=VALUE</c>; see <see cref="Limit"/>.</summary>
    /// <exception cref="CurvatureException">It is none; the message lists the forms.</exception>
    public static Limit Parse(string text)
    {
        Match match = Written().Match(text);
        (string name, string number, string unit) = (match.Groups["name"].Value, match.Groups["number"].Value, match.Groups["unit"].Value);
        if (!match.Success || !decimal.TryParse(number, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out decimal value))
        {
            throw Unknown(text);
        }

        bool interpolated = match.Groups["interp"].Success;
        PlanCost? cost = name switch { "size" => PlanCost.Size, "bops" => PlanCost.Bops, "latency" => PlanCost.Latency, _ => null };
        Limit limit = (cost, name, unit) switch
        {
            ({ } interpolate, _, "") when interpolated => Interpolate(interpolate, value),
            _ when interpolated => throw Unknown(text),
            ({ } share, _, "%") => Share(share, value / 100),
            (null, "avg-bits", "") => AverageBits(value),
            (null, "compression", "") => Compression(value),
            ({ } absolute, _, _) when Scale(absolute, unit) is { } scale => AtMost(absolute, Scaled(value, scale, text)),
            _ => throw Unknown(text),
        };
        return new Limit(limit.Cost, limit.Form, limit.Value, text);
    }

    /// <summary>The largest cost that keeps the limit, in the unit of <see cref="PlanCost"/>: a size in bits.</summary>
    /// <exception cref="CurvatureException">The table does not say what the limit is about.</exception>
    public double MostOf(PlanningProblem problem)
    {
        problem.Require(Cost, Text);
        decimal bound = Form switch
        {
            LimitForm.Absolute => Cost == PlanCost.Size ? Times(8) : Value,
            LimitForm.Share => Times(problem.Float32(Cost, FloatBits, Text)),
            LimitForm.AverageBits => Times(problem.Table.Layers.Sum(layer => (decimal)layer.Parameters)),
            LimitForm.Compression => 8 * problem.Table.Layers.Sum(layer => (decimal)layer.Macs!.Value) / Value,
            _ => Between(LayerCost.Exact(Cost, problem.AtExtreme(Cost, most: false)), LayerCost.Exact(Cost, problem.AtExtreme(Cost, most: true))),
        };
        return Cost == PlanCost.Latency ? (double)bound : (double)decimal.Floor(bound); // the others are whole numbers
    }

    /// <summary>The name on a command line.</summary>
    internal static string Name(PlanCost cost) => cost switch
    {
        PlanCost.Size => "size",
        PlanCost.Bops => "bops",
        PlanCost.Latency => "latency",
        _ => "compression",
    };

    private decimal Between(decimal low, decimal high) => low + (Value * (high - low));

    private decimal Times(decimal whole) => Scaled(Value, whole, Text);

    private static decimal Scaled(decimal value, decimal scale, string text)
    {
        try
        {
            return value * scale;
        }
        catch (OverflowException error)
        {
            throw new CurvatureException($"{text}: the number is too large. Name a limit that a network could come near.", error);
        }
    }

    private static decimal NotNegative(decimal value) =>
        value >= 0 ? value : throw new CurvatureException($"Expected a limit of at least 0, got {Show(value)}.");

    private static string Show(decimal value) => value.ToString("0.##########", CultureInfo.InvariantCulture);

    private static decimal? Scale(PlanCost cost, string unit) => (cost, unit.ToLowerInvariant()) switch
    {
        (PlanCost.Latency, "" or "ms") => 1,
        (PlanCost.Latency, "us") => 0.001m,
        (PlanCost.Latency, "s") => 1000,
        (PlanCost.Size, "" or "b") or (PlanCost.Bops, "") => 1,
        (PlanCost.Size, "kb") or (PlanCost.Bops, "k") => 1e3m,
        (PlanCost.Size, "mb") or (PlanCost.Bops, "m") => 1e6m,
        (PlanCost.Size, "gb") or (PlanCost.Bops, "g") => 1e9m,
        (PlanCost.Bops, "t") => 1e12m,
        (PlanCost.Size, "kib") => 1024,
        (PlanCost.Size, "mib") => 1 << 20,
        (PlanCost.Size, "gib") => 1 << 30,
        _ => null,
    };

    private static CurvatureException Unknown(string text) => new(
        $"'{text}' is no limit. Expected size=7.5MB, size=40%, size=interp:0.5, the same for bops (bops=72G) and latency (latency=2.5ms), avg-bits=4, or compression=1.5.");

    [GeneratedRegex(@"^(?<name>[a-z-]+)=(?<interp>interp:)?(?<number>[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)(?<unit>%|[A-Za-z]*)$", RegexOptions.CultureInvariant)]
    private static partial Regex Written();
}
