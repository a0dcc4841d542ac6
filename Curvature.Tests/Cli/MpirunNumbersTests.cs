using System.Text.Json;
using Curvature.Cli;
using Curvature.Data;
using Curvature.Tests.Distributed;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>What <c>measure</c> and <c>report</c> tell and write under <c>mpirun</c>, beside one process.</summary>
public sealed class MpirunNumbersTests : IDisposable
{
    // Rounding, carried through some iterations of Lanczos; what has a gap to be found in, such as a vector, is as near as that lets it be.
    private const double Near = 1e-8;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [MpirunFact]
    public void Eigenvalues_of_all_and_of_layers_and_the_file_of_their_vectors_are_those_of_one_process() =>
        AssertVectors(NpzFile.Read, ".npz", "eigs", "--top", "2", "--tolerance", "1e-9", "--per-layer");

    [MpirunFact]
    public void A_diagonal_of_all_and_of_layers_and_its_file_are_those_of_one_process() =>
        AssertVectors(SafetensorsFile.Read, ".safetensors", "diagonal", "--probes", "8", "--per-layer");

    [MpirunFact]
    public void Norms_of_all_and_of_layers_are_those_of_one_process() => AssertSame(2, "norm", "--probes", "8", "--per-layer");

    [MpirunFact]
    public void Log_determinants_are_those_of_one_process() => AssertSame(2, "logdet", "--matrix", "ggn", "--damping", "0.01", "--steps", "8", "--runs", "2");

    [MpirunFact]
    public void Three_ranks_of_which_the_first_has_no_batch_have_the_trace_of_one_process()
    {
        JsonElement json = AssertSame(3, "trace", "--samples", "80", "--probes", "8"); // two batches
        Assert.Equal(3, json.GetProperty("environment").GetProperty("ranks").GetInt32());
    }

    [MpirunFact]
    public void Exact_traces_stability_and_landscapes_are_those_of_one_process()
    {
        AssertSame(2, "trace", "--estimator", "exact", "--matrix", "ggn", "--per-layer");
        AssertSame(3, "stability", "--optimizer", "sgd", "--lr", "0.1", "--batch", "16", "--samples", "80"); // two batches
        AssertSame(2, "landscape", "--steps", "5");
    }

    [MpirunFact]
    public void A_report_of_four_ranks_is_that_of_one_process_and_the_same_bytes_when_run_again()
    {
        string[] report = [.. Report(), "--optimizer", "sgd", "--lr", "0.1", "--batch", "32", "--batch-sizes", "16", "--landscape", "random", "--out"];
        string four = _folder.File("four"), before = _folder.File("before");
        CommandRun first = AssertSameFiles(4, report, four);
        Assert.Single(first.Output.Split('\n'), line => line.StartsWith("report: ", StringComparison.Ordinal));
        Directory.Move(four, before);
        Finished(4, [.. report, four]);
        Assert.Equal(Names(before), Names(four));
        Assert.All(Names(four), name => Assert.Equal(Masked(Path.Combine(before, name)), Masked(Path.Combine(four, name))));

        static string Masked(string file) => OfTheClock.Masked(File.ReadAllText(file));
    }

    [MpirunFact]
    public void A_report_of_two_checkpoints_is_that_of_one_process()
    {
        string other = _folder.File("other.safetensors");
        using (NewDisposeScope())
        {
            SafetensorsFile.Write(other, [.. SafetensorsFile.Read(CommandRun.Digits[0]).Select(entry => (entry.Key, entry.Value.mul(1.1)))]);
        }

        AssertSameFiles(2, [.. Report(other), "--out"], _folder.File("two"));
    }

    private static string[] Report(params string[] others) =>
        ["report", CommandRun.Digits[0], .. others, .. CommandRun.Digits[1..], "--threads", "1", "--dtype", "float64", "--samples", "80", "--batch-size", "20", "--probes", "8", "--steps", "10", "--runs", "2", "--top", "1"];

    /// <summary>Runs a report in one process and over ranks, and finds the same files with nearly the same numbers.</summary>
    private CommandRun AssertSameFiles(int ranks, string[] report, string folder)
    {
        string one = _folder.File("one");
        CommandRun alone = CommandRun.Of([.. report, one]);
        Assert.True(alone.ExitCode == CurvatureCommand.Success, alone.Error);
        CommandRun run = Finished(ranks, [.. report, folder]);
        Assert.Contains("report.html", Names(one));
        Assert.Equal(Names(one), Names(folder));
        foreach (string name in Names(one).Where(name => name.EndsWith(".json", StringComparison.Ordinal)))
        {
            AssertNear(JsonDocument.Parse(File.ReadAllText(Path.Combine(one, name))).RootElement, JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, name))).RootElement, name);
        }

        return run;
    }

    private static string[] Names(string folder) => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal)];

    private void AssertVectors(Func<string, string[], IReadOnlyDictionary<string, Tensor>> read, string ending, params string[] quantity)
    {
        string one = _folder.File($"one{ending}"), two = _folder.File($"two{ending}");
        string[] job = Job(quantity);
        CommandRun alone = CommandRun.Of([.. job, "--out", one]), together = Finished(2, [.. job, "--out", two]);
        AssertNear(alone.Json(), together.Json(), quantity[0]);
        using DisposeScope scope = NewDisposeScope();
        IReadOnlyDictionary<string, Tensor> expected = read(one, []), got = read(two, []);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), got.Keys.Order(StringComparer.Ordinal));
        Assert.All(got.Where(array => array.Key != "residuals"), array =>
        {
            Tensor a = expected[array.Key], b = array.Value;
            double difference = Math.Min(a.sub(b).norm().ToDouble(), array.Key.StartsWith("eigenvectors", StringComparison.Ordinal) ? Unsigned(a, b) : double.PositiveInfinity) / a.norm().ToDouble();
            Assert.True(difference <= 1e-6, $"{array.Key}: {difference:g3}");
        });

        // An eigenvector is one with either sign.
        static double Unsigned(Tensor a, Tensor b) => Math.Sqrt(Enumerable.Range(0, (int)a.shape[0]).Sum(i => Math.Pow(Math.Min(a[i].sub(b[i]).norm().ToDouble(), a[i].add(b[i]).norm().ToDouble()), 2)));
    }

    private static JsonElement AssertSame(int ranks, params string[] quantity)
    {
        string[] job = Job(quantity);
        JsonElement together = Finished(ranks, job).Json();
        AssertNear(CommandRun.Of(job).Json(), together, quantity[0]);
        return together;
    }

    private static string[] Job(string[] quantity) =>
        ["measure", quantity[0], .. CommandRun.Digits, "--batch-size", "40", "--dtype", "float64", "--json", "--threads", "1", .. quantity.Contains("--samples") ? Array.Empty<string>() : ["--samples", "120"], .. quantity[1..]];

    private static CommandRun Finished(int ranks, string[] command)
    {
        using CommandProcess process = CommandProcess.Mpirun(ranks, command);
        CommandRun run = process.Finish();
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run;
    }

    /// <summary>Whether it is the finding of a machine that is busy.</summary>
    private static bool IsOfTheClock(JsonElement item) => item.ValueKind == JsonValueKind.Object && item.TryGetProperty("id", out JsonElement id) && id.GetString() == OfTheClock.Finding;

    /// <summary>The same members with the same texts and nearly the same numbers, but for what tells of the ranks, of the clock and of places.</summary>
    /// <param name="expected">Of one process.</param>
    /// <param name="got">Of ranks.</param>
    /// <param name="place">Where they stand.</param>
    /// <param name="unit">What a number is rounded against besides itself: the largest of its list, or the value that its error is of.</param>
    private static void AssertNear(JsonElement expected, JsonElement got, string place, double unit = 1)
    {
        Assert.True(expected.ValueKind == got.ValueKind, place);
        switch (expected.ValueKind)
        {
            case JsonValueKind.Object:
                double value = expected.TryGetProperty("value", out JsonElement number) && number.ValueKind == JsonValueKind.Number ? Math.Abs(number.GetDouble()) : 1;
                string[] own = ["ranks", "seconds", "command", "vectors", "message"]; // messages hold numbers that are rounded
                JsonProperty[] left = [.. expected.EnumerateObject().Where(member => !own.Contains(member.Name))], right = [.. got.EnumerateObject().Where(member => !own.Contains(member.Name))];
                Assert.Equal(left.Select(member => member.Name), right.Select(member => member.Name));
                Assert.All(left.Zip(right), pair => AssertNear(pair.First.Value, pair.Second.Value, $"{place}/{pair.First.Name}", value));
                break;
            case JsonValueKind.Array:
                JsonElement[] first = [.. expected.EnumerateArray().Where(item => !IsOfTheClock(item))], second = [.. got.EnumerateArray().Where(item => !IsOfTheClock(item))];
                Assert.True(first.Length == second.Length, place);
                double largest = first.Where(item => item.ValueKind == JsonValueKind.Number).Select(item => Math.Abs(item.GetDouble())).Append(0).Max();
                Assert.All(first.Zip(second).Index(), pair => AssertNear(pair.Item.First, pair.Item.Second, $"{place}/{pair.Index}", largest));
                break;
            case JsonValueKind.Number:
                (double a, double b) = (expected.GetDouble(), got.GetDouble());
                Assert.True(Math.Abs(a - b) <= Near * Math.Max(unit, Math.Abs(a)), $"{place}: {a:r} of one process, {b:r} of ranks");
                break;
            default:
                Assert.True(expected.GetRawText() == got.GetRawText(), $"{place}: {expected.GetRawText()}, {got.GetRawText()}");
                break;
        }
    }
}
