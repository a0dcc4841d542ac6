using System.Text.Json;
using Curvature.Sharpness;
using Curvature.Tests.Cli;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

/// <summary>The page of a watched training, from records to files.</summary>
public class MonitorContentTests
{
    private static readonly MonitorRecord[] Run = [.. Enumerable.Range(0, 500).Select(i => new MonitorRecord(20 * i)
    {
        Loss = Math.Exp(-0.01 * i),
        GradientNorm = 0.5,
        Sharpness = new(Math.Min(40, 4 + (0.2 * i)) + Math.Sin(i), 0.01, i % 100 > 0),
        Trace = new(90, double.NaN, 1, 1),
        BatchSharpness = new(35, 1, 8, 8),
        Alignment = 0.3,
        LearningRate = 0.05,
        CriticalSharpness = 40,
        Overhead = 0.04,
    })];

    [Fact]
    public void A_training_becomes_curves_findings_and_a_table()
    {
        ReportContent content = MonitorContent.Of("run.jsonl", Run, []);
        Assert.Equal(["Sharpness", "Trace", "Loss", "Alignment", "Observations"], content.Sections.Select(section => section.Title));
        Assert.Equal(["not-converged", "edge-of-stability", "progressive-sharpening"], content.Findings.Select(finding => finding.Id));
        Assert.StartsWith("At the end the network is at the edge", content.Findings[1].Message, StringComparison.Ordinal);
        ReportTable table = content.Sections[^1].Blocks.OfType<ReportTable>().Single();
        Assert.InRange(table.Rows.Count, 30, 41);
        Assert.Equal("9,980", table.Rows[^1][0]);

        string html = HtmlReport.Write(content);
        Assert.InRange(html.Length, 10_000, 300_000);
        Assert.Equal(html, HtmlReport.Write(MonitorContent.Of("run.jsonl", Run, [])));
        using DecimalComma culture = new();
        Assert.Equal(html, HtmlReport.Write(MonitorContent.Of("run.jsonl", Run, [])));
    }

    [Fact]
    public void An_edge_far_above_the_sharpness_does_not_press_it_to_the_ground()
    {
        Assert.Equal(FigureScale.Linear, Sharpness(Run).Scale);
        Assert.Equal(FigureScale.Logarithmic, Sharpness([.. Run.Select(record => record with { CriticalSharpness = 2000 })]).Scale);

        static Figure Sharpness(MonitorRecord[] run) => MonitorContent.Of("run", run, []).Sections.Single(section => section.Title == "Sharpness").Blocks.OfType<ReportFigure>().Single().Figure;
    }

    [Fact]
    public void A_training_that_broke_is_told_so_and_still_drawn()
    {
        MonitorRecord[] broken = [Run[0], new MonitorRecord(20) { Loss = double.NaN, Problem = "The loss of batch 0 is NaN." }, new MonitorRecord(40)];
        ReportContent content = MonitorContent.Of("run", broken, []);
        Assert.Equal(("non-finite", Severity.Error), (content.Findings[0].Id, content.Findings[0].Severity));
        Assert.All(content.Sections.SelectMany(section => section.Blocks).OfType<ReportFigure>(), figure => Assert.NotEmpty(new Svg(figure.Figure.ToSvg(FigureTheme.Dark)).Texts));
        Assert.NotEmpty(HtmlReport.Write(content));

        // Nothing but problems: no figure has anything to show, and there is none.
        Assert.Single(MonitorContent.Of("run", [broken[1]], []).Sections);
        Assert.Throws<CurvatureException>(() => MonitorContent.Of("run", [], []));
        Assert.NotEmpty(new Svg(new CurvesFigure("n", "t", "y", [new Curve("c", [(0, double.NaN), (1, double.PositiveInfinity)])], logarithmic: true).ToSvg(FigureTheme.Paper)).Texts);
    }

    [Fact]
    public void The_command_makes_a_page_of_a_recording_alone()
    {
        using TemporaryFolder folder = new();
        string recording = folder.File("run.jsonl");
        using (MonitorFile file = new(recording))
        {
            Array.ForEach(Run[..50], record => file.Add(record, 7));
        }

        CommandRun run = CommandRun.Of("report", recording, "--out", folder.File("page"));
        Assert.True(run.ExitCode == 0, run.Error);
        Assert.Contains("50 observations of the curvature from step 0 to step 980", run.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(File.ReadAllText(folder.File("page/report.json"))).RootElement;
        Assert.Equal(["environment", "command", "observations", "findings"], json.EnumerateObject().Select(member => member.Name));
        Assert.Equal(50, json.GetProperty("observations").GetArrayLength());
        string[] members = [.. json.GetProperty("observations")[0].EnumerateObject().Select(member => member.Name)];
        Assert.Equal(["trace", "trace_standard_error", "batch_sharpness", "batch_sharpness_standard_error"], members[5..9]);
        Assert.True(File.Exists(folder.File("page/sharpness.svg")));

        Assert.Contains("takes no option but --out", CommandRun.Of("report", recording, "--seed", "1").Error, StringComparison.Ordinal);
        Assert.Contains("'--data' is required", CommandRun.Of("report", "model.pt").Error, StringComparison.Ordinal);
        Assert.Contains("line 1", CommandRun.Of("report", folder.Write("other.jsonl", "{}\n"), "--out", folder.File("none")).Error, StringComparison.Ordinal);
    }
}
