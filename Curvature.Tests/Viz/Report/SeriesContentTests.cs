using System.Text.Json;
using Curvature.Tests.Cli;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

/// <summary>Several checkpoints on one page.</summary>
public class SeriesContentTests
{
    [Fact]
    public void Two_are_compared_and_more_become_curves()
    {
        SharpnessReport later = Viz.Samples.Report with { Summary = Viz.Samples.Summary with { Eigenvalues = [new(18, 1e-5, true), new(-0.5, 1e-5, true)], Loss = 0.0625 } };
        ReportContent two = SeriesContent.Of([Viz.Samples.Report, later]);
        Assert.Equal(("Comparison", "sample-net (1) to sample-net (2)"), (two.Kind, two.Title));
        Assert.Equal(["Differences", "Checkpoints", "Layers"], two.Sections.Select(section => section.Title));
        ReportTable differences = (ReportTable)two.Sections[0].Blocks[0];
        Assert.Equal(["sharpness λmax", "9.000", "18.00", "9.000", "2.00"], differences.Rows.Single(row => row[0].StartsWith("sharpness", StringComparison.Ordinal)));
        Assert.Contains("±", differences.Rows.Single(row => row[0] == "trace")[3], StringComparison.Ordinal);
        Assert.Contains(two.Findings, finding => finding.Id == "sharpening" && (double?)finding.Evidence["to"] == 18);

        ReportContent series = SeriesContent.Of([Viz.Samples.Report, later, Viz.Samples.Report with { Summary = Viz.Samples.NotFinite }]);
        Assert.Equal("Series", series.Kind);
        Assert.Equal(["Sharpness", "Trace", "Loss", "Checkpoints", "Layers"], series.Sections.Select(section => section.Title));
        Assert.NotEmpty(HtmlReport.Write(series));
        JsonElement json = JsonDocument.Parse(SeriesContent.Json(series, [Viz.Samples.Report, later])).RootElement;
        Assert.Equal(2, json.GetProperty("checkpoints").GetArrayLength());
        Assert.Throws<CurvatureException>(() => SeriesContent.Of([later]));
    }

    [Fact]
    public void A_number_that_is_not_finite_is_told_of_where_a_page_of_its_own_tells_of_it()
    {
        SharpnessReport good = Viz.Samples.Report with { Findings = [] };
        SharpnessReport broken = good with { Summary = good.Summary with { Density = new(40, [new([-0.9, double.NaN, 9], [0.1, 0.4, 0.5]), good.Summary.Density!.Runs[0]], 0.15, 24) } };
        Assert.Contains(SeriesContent.Of([good, broken]).Findings, finding => finding.Id == "non-finite" && finding.Message.StartsWith("sample-net (2): ", StringComparison.Ordinal));
        SharpnessReport single = good with { Summary = good.Summary with { Trace = good.Summary.Trace! with { Total = new(1, double.NaN, 1, 1) } } };
        ReportContent content = SeriesContent.Of([good, single]);
        Assert.Single(content.Findings, finding => finding.Id == "non-finite");
        Assert.Single(JsonDocument.Parse(SeriesContent.Json(content, [good, single])).RootElement.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("id").GetString() == "non-finite");
    }

    [Fact]
    public void The_command_measures_checkpoints_alike_and_writes_a_page_of_all_and_of_each()
    {
        using TemporaryFolder folder = new();
        string[] rest = [.. CommandRun.Digits[1..], "--samples", "64", "--threads", "1", "--top", "1", "--which", "largest", "--probes", "4", "--steps", "8", "--runs", "2"];
        CommandRun run = CommandRun.Of(["report", CommandRun.Digits[0], CommandRun.Digits[0], .. rest, "--out", folder.File("series")]);
        Assert.True(run.ExitCode == 0, run.Error);
        JsonElement[] checkpoints = [.. JsonDocument.Parse(File.ReadAllText(folder.File("series/report.json"))).RootElement.GetProperty("checkpoints").EnumerateArray()];
        Assert.Equal(2, checkpoints.Length);
        Assert.Equal(checkpoints[0].ToString(), checkpoints[1].ToString()); // the same model meets the same samples and probes
        Assert.True(File.Exists(folder.File("series/1-digits-mlp/report.html")) && File.Exists(folder.File("series/2-digits-mlp/report.html")));
        Assert.Contains("name a recording of a training alone", CommandRun.Of("report", "a.pt", "b.jsonl", "--data", "d.npz", "--loss", "mse").Error, StringComparison.Ordinal);
    }
}
