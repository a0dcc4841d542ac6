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
    public void An_eigenvalue_that_did_not_converge_is_a_bound_everywhere()
    {
        SharpnessReport converged = Viz.Samples.Report with { Findings = [] }, bound = converged with { Summary = converged.Summary with { Eigenvalues = [new(18, 0.5, false)] } };
        ReportContent content = SeriesContent.Of([converged, bound]);
        Assert.Equal("9.000 → at least 18.00", content.Headlines.Single(headline => headline.Label.StartsWith("Sharpness", StringComparison.Ordinal)).Value);
        Assert.Equal(["sharpness λmax", "9.000", "at least 18.00", "", ""], ((ReportTable)content.Sections[0].Blocks[0]).Rows.Single(row => row[0].StartsWith("sharpness", StringComparison.Ordinal)));
        ReportTable table = (ReportTable)content.Sections.Single(section => section.Title == "Checkpoints").Blocks[0];
        Assert.Equal(("9.000", "0.2222"), (table.Rows[0][3], table.Rows[0][6]));
        Assert.Equal(("at least 18.00", "below 0.1111"), (table.Rows[1][3], table.Rows[1][6]));
        Curvature.Sharpness.Finding rise = content.Findings.Single(finding => finding.Id == "sharpening");
        Assert.Contains("rose at least 2 times, from 9 to at least 18", rise.Message, StringComparison.Ordinal);
        Assert.Contains(SeriesContent.Of([bound, converged]).Findings, finding => finding.Id == "flattening" && finding.Message.Contains("fell at least 2 times, from at least 18 to 9.", StringComparison.Ordinal));
        SharpnessReport low = converged with { Summary = converged.Summary with { Eigenvalues = [new(3, 0.5, false)] } };
        Assert.All((SharpnessReport[][])[[low, converged], [converged, low], [low, bound]], pair => Assert.DoesNotContain(SeriesContent.Of(pair).Findings, finding => finding.Id is "sharpening" or "flattening"));
        JsonElement json = JsonDocument.Parse(SharpnessJson.Write(bound)).RootElement;
        Assert.Equal(JsonValueKind.Null, json.GetProperty("largest_stable_learning_rate").ValueKind);
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
