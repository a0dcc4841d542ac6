namespace Curvature.Quant.Planning;

/// <summary>
/// A layer of a <see cref="LayerTable"/>. Its sensitivity at b bits is what quantizing its weight to b bits is held to add to the loss:
/// <c>sensitivity[b]</c> where that is given, else <c>average_trace * error[b]</c> (HAWQ-V2: Dong et al. 2020, eq. 9).
/// </summary>
public sealed record TableLayer
{
    /// <summary><c>name</c>, unique in the table.</summary>
    public required string Name { get; init; }

    /// <summary><c>parameters</c>: entries of the weight; a size is this times bits.</summary>
    public required long Parameters { get; init; }

    /// <summary><c>macs</c>: multiply-accumulate operations of one sample; null: unknown, then there are no BOPS.</summary>
    public long? Macs { get; init; }

    /// <summary><c>group</c>: layers of one group share their bits, such as the branches that a residual connection adds; null: none.</summary>
    public string? Group { get; init; }

    /// <summary><c>fixed</c>: bits that are not up to the planner, 1 to 32; null: they are. Its sensitivity may be missing, and then counts as 0.</summary>
    public int? Fixed { get; init; }

    /// <summary><c>activation_bits</c>: bits of the layer's input, for BOPS; null: those of its weight.</summary>
    public int? ActivationBits { get; init; }

    /// <summary><c>average_trace</c>: trace of the Hessian's block divided by the number of parameters.</summary>
    public double? AverageTrace { get; init; }

    /// <summary><c>error</c>, by bits: <c>|Q(W) - W|^2</c>, the sum of squares over the weight.</summary>
    public IReadOnlyDictionary<int, double>? Error { get; init; }

    /// <summary><c>sensitivity</c>, by bits: stands for <c>average_trace * error</c>; a measured loss increase, say, or a quadratic form. May be negative.</summary>
    public IReadOnlyDictionary<int, double>? Sensitivity { get; init; }

    /// <summary><c>standard_error</c> as a number: of <see cref="AverageTrace"/>.</summary>
    public double? TraceStandardError { get; init; }

    /// <summary><c>standard_error</c> by bits: of <see cref="Sensitivity"/>.</summary>
    public IReadOnlyDictionary<int, double>? SensitivityStandardError { get; init; }

    /// <summary><c>latency_ms</c>, by bits: milliseconds of the layer on the device it is meant for; null: unknown.</summary>
    public IReadOnlyDictionary<int, double>? LatencyMs { get; init; }

    /// <summary>What quantizing this layer to <paramref name="bits"/> is held to add to the loss; null where the table does not say.</summary>
    public double? SensitivityAt(int bits) =>
        Sensitivity is not null ? At(Sensitivity, bits) : AverageTrace * At(Error, bits);

    /// <summary>The standard error of <see cref="SensitivityAt"/>; 0 where none is given.</summary>
    public double StandardErrorAt(int bits) =>
        (Sensitivity is not null ? At(SensitivityStandardError, bits) : TraceStandardError * At(Error, bits)) ?? 0;

    /// <summary>Milliseconds at <paramref name="bits"/>; null where the table does not say.</summary>
    public double? LatencyAt(int bits) => At(LatencyMs, bits);

    /// <summary>Throws where the layer contradicts itself.</summary>
    internal void Check(string table)
    {
        if (Parameters < 1 || Macs < 0)
        {
            throw Wrong(Parameters < 1 ? $"\"parameters\": expected at least 1, got {Parameters}" : $"\"macs\": expected at least 0, got {Macs}");
        }

        if (Fixed is < 1 or > 32 || ActivationBits is < 1 or > 32)
        {
            throw Wrong($"expected bits from 1 to 32, got {(Fixed is < 1 or > 32 ? $"\"fixed\" {Fixed}" : $"\"activation_bits\" {ActivationBits}")}");
        }

        foreach ((string member, IReadOnlyDictionary<int, double>? values, bool mayBeNegative) in
            ((string, IReadOnlyDictionary<int, double>?, bool)[])[("error", Error, false), ("latency_ms", LatencyMs, false), ("sensitivity", Sensitivity, true), ("standard_error", SensitivityStandardError, false)])
        {
            foreach ((int bits, double value) in values ?? new Dictionary<int, double>())
            {
                if (!double.IsFinite(value) || (value < 0 && !mayBeNegative))
                {
                    throw Wrong($"\"{member}\" at {bits} bits: expected a finite number{(mayBeNegative ? "" : " of at least 0")}, got {value:R}");
                }
            }
        }

        if ((AverageTrace is { } trace && !double.IsFinite(trace)) || (TraceStandardError is { } error && !(double.IsFinite(error) && error >= 0)))
        {
            throw Wrong($"expected a finite \"average_trace\" and a \"standard_error\" of at least 0, got {AverageTrace:R} and {TraceStandardError:R}");
        }

        if (Sensitivity is not null && TraceStandardError is not null)
        {
            throw Wrong("\"standard_error\" is a number, which is the error of \"average_trace\", but \"sensitivity\" stands for it; give errors by bits");
        }

        if (Sensitivity is null && SensitivityStandardError is not null)
        {
            throw Wrong("\"standard_error\" by bits belongs to \"sensitivity\", which is not there; give one number, the error of \"average_trace\"");
        }

        CurvatureException Wrong(string what) => new($"{table}: layer '{Name}': {what}.");
    }

    private static double? At(IReadOnlyDictionary<int, double>? values, int bits) =>
        values is not null && values.TryGetValue(bits, out double value) ? value : null;
}
