using System.Text.Json;

namespace Curvature.Samples.Study;

/// <summary>Times of a step, measured apart from the runs, in turns, on a machine with nothing else to do (sample <c>optimizer-times</c>).</summary>
/// <param name="Problem">The problem.</param>
/// <param name="Optimizer">The optimizer.</param>
/// <param name="Settings">Its settings then.</param>
/// <param name="Milliseconds">A step, the mean over all rounds: what happens on some steps only counts with its share.</param>
/// <param name="Error">Standard error of that mean over the rounds.</param>
internal sealed record StepTimes(string Problem, string Optimizer, string Settings, double Milliseconds, double Error)
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads a file of one line each; none where there is no file.</summary>
    public static IReadOnlyList<StepTimes> Read(string path) =>
        File.Exists(path) ? [.. File.ReadLines(path).Select(line => JsonSerializer.Deserialize<StepTimes>(line, Format)!)] : [];

    /// <summary>Writes the file.</summary>
    public static void Write(string path, IEnumerable<StepTimes> times) => AtomicFile.WriteText(path, string.Concat(times.Select(time => JsonSerializer.Serialize(time, Format) + "\n")));
}
