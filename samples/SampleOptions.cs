namespace Curvature.Samples;

/// <summary>How to run a sample.</summary>
/// <param name="Quick">Seconds instead of minutes; results go to temporary files. For CI.</param>
/// <param name="Out">Where to write, for samples that write a file; null for the sample's own choice.</param>
internal sealed record SampleOptions(bool Quick, string? Out)
{
    /// <summary>Reads <c>[--quick] [--out FILE]</c>; null for anything else.</summary>
    public static SampleOptions? Parse(ReadOnlySpan<string> arguments) => arguments switch
    {
        [] => new SampleOptions(false, null),
        ["--quick", .. var rest] => Parse(rest) is { } options ? options with { Quick = true } : null,
        ["--out", var file, .. var rest] => Parse(rest) is { } options ? options with { Out = file } : null,
        _ => null,
    };
}
