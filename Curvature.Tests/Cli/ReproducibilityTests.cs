using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>The same inputs, seed, threads and machine give the same bytes apart from seconds, whatever the culture.</summary>
public class ReproducibilityTests
{
    private static readonly string[] Everything =
    [
        "report", .. CommandRun.Digits, "--threads", "1", "--seed", "3", "--samples", "200", "--probes", "8", "--steps", "15", "--runs", "2", "--top", "2", "--optimizer", "sgd", "--lr", "0.1", "--batch", "32",
        "--batch-sizes", "32,64", "--landscape", "random", "--out", "report",
    ];

    [Fact]
    public void Reports_are_the_same_bytes_but_for_seconds_whatever_the_process_and_with_a_decimal_comma()
    {
        using var folder = new TemporaryFolder();
        string[] places = [folder.File("one"), folder.File("two")];
        Array.ForEach(places, place => Directory.CreateDirectory(place));
        using var first = CommandProcess.In(places[0], "LC_ALL", "C.UTF-8", Everything);
        using var second = CommandProcess.In(places[1], "LC_ALL", "C.UTF-8", Everything); // hashes of strings differ between processes
        Assert.All([first.Finish(), second.Finish()], (CommandRun process) => Assert.True(process.ExitCode == 0, process.Error));

        string[] names = [.. Directory.GetFiles(Path.Combine(places[0], "report")).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];
        Assert.Equal(9, names.Length);
        Assert.Equal(names, Directory.GetFiles(Path.Combine(places[1], "report")).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
        foreach (string name in names)
        {
            string[] texts = [.. places.Select(place => File.ReadAllText(Path.Combine(place, "report", name)))];
            Assert.Equal(Masked(name, texts[0]), Masked(name, texts[1]));
        }

        string third = folder.File("three");
        using var culture = new DecimalComma();
        CommandRun run = CommandRun.Of([.. Everything[..^1], third]);
        Assert.True(run.ExitCode == 0, run.Error);
        foreach (string name in names)
        {
            Assert.Equal(Masked(name, File.ReadAllText(Path.Combine(places[0], "report", name))), Masked(name, File.ReadAllText(Path.Combine(third, name)).Replace(third, "report", StringComparison.Ordinal)));
        }

        static string Masked(string name, string text)
        {
            Assert.Equal(Path.GetExtension(name) is ".json" or ".html" ? 1 : 0, OfTheClock.Count(text));
            return OfTheClock.Masked(text);
        }
    }

    [Fact]
    public void What_is_left_out_of_the_comparison_is_the_finding_of_a_busy_machine_and_seconds_alone()
    {
        Finding slow = new Blas("OpenBLAS", 3, 1).SlowFinding()!, other = Finding.Of("other", Severity.Info, "Something else.", ("number", 1));
        foreach (Finding[] rest in (Finding[][])[[], [other], [other, other]])
        {
            string[] without = Written(rest, 1);
            Assert.Contains("...", OfTheClock.Masked(without[0]), StringComparison.Ordinal);
            for (int place = 0; place <= rest.Length; place++)
            {
                string[] with = Written([.. rest[..place], slow, .. rest[place..]], 2);
                Assert.All(with, text => Assert.Contains(OfTheClock.Finding, text, StringComparison.Ordinal));
                Assert.Equal(without.Select(OfTheClock.Masked), with.Select(OfTheClock.Masked));
            }
        }

        static string[] Written(Finding[] findings, double seconds)
        {
            SharpnessReport report = Viz.Samples.Report with { Findings = findings, Environment = [new("seconds", seconds)] };
            using var folder = new TemporaryFolder();
            ReportWriter.Write(report, folder.File("report"), FigureFormat.Svg);
            using var text = new StringWriter();
            ReportText.Findings(new Terminal(text, TextWriter.Null, CancellationToken.None), findings);
            return [File.ReadAllText(folder.File("report/report.json")), File.ReadAllText(folder.File("report/report.html")), text.ToString()];
        }
    }

    [Theory]
    [InlineData("measure", "stability", "--optimizer", "sgd", "--lr", "0.1", "--momentum", "0.9", "--batch", "16", "--samples", "64", "--json")]
    [InlineData("measure", "logdet", "--damping", "0.01", "--samples", "64", "--steps", "8", "--runs", "2", "--matrix", "ggn")]
    [InlineData("measure", "landscape", "--steps", "5", "--range", "0.5", "--samples", "64")]
    public void A_decimal_comma_changes_neither_what_is_read_nor_what_is_said(params string[] args)
    {
        string[] all = [.. args[..2], .. CommandRun.Digits, "--threads", "1", .. args[2..]];
        Same(all);
    }

    [Fact]
    public void A_decimal_comma_changes_no_plan_no_table_and_no_recording()
    {
        Same("plan", "--table", Repository.File("data/hawq-v3-resnet18.json"), "--limit", "size=7.5MB", "--limit", "bops=interp:0.5", "--json");
        Same("inspect", Repository.File("data/iris.csv"));
        using var folder = new TemporaryFolder();
        string recording = folder.Write("run.jsonl", string.Concat(Enumerable.Range(1, 5).Select(i => FormattableString.Invariant(
            $$"""{"step":{{i}},"loss":{{1.5 / i}},"gradient_norm":0.25,"sharpness":{"value":{{2.5 + i}},"residual":1e-3,"converged":true},"critical_sharpness":20.5,"learning_rate":0.1,"products":10,"seconds":0.5,"overhead":0.05}""") + "\n")));
        Same("report", recording, "--out", folder.File("watched"));
        string page = File.ReadAllText(folder.File("watched/report.html"));
        using var culture = new DecimalComma();
        Assert.Equal(0, CommandRun.Of("report", recording, "--out", folder.File("watched")).ExitCode);
        Assert.Equal(page, File.ReadAllText(folder.File("watched/report.html")));
    }

    private static void Same(params string[] args)
    {
        CommandRun expected = CommandRun.Of(args);
        Assert.True(expected.ExitCode == 0, expected.Error);
        using var culture = new DecimalComma();
        CommandRun actual = CommandRun.Of(args);
        Assert.Equal(OfTheClock.Masked(expected.Output), OfTheClock.Masked(actual.Output));
    }
}
