using System.Text.Json;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

public class DemoTests
{
    [Fact]
    public void Writes_a_report_with_the_exact_values_beside_the_estimates()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of("demo", "--out", folder.File("out"));
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Contains(folder.File("out/report.html"), run.Output, StringComparison.Ordinal);
        Assert.Contains("exact", run.Output, StringComparison.Ordinal);

        JsonElement json = JsonDocument.Parse(File.ReadAllText(folder.File("out/report.json"))).RootElement;
        double exact = json.GetProperty("exact").GetProperty("trace").GetDouble();
        JsonElement trace = json.GetProperty("trace");
        double error = Math.Abs(trace.GetProperty("value").GetDouble() - exact);
        Assert.InRange(error, 0, 4 * trace.GetProperty("standard_error").GetDouble());

        double largest = json.GetProperty("exact").GetProperty("eigenvalues").EnumerateArray().Max(value => value.GetDouble());
        Assert.Equal(largest, json.GetProperty("eigenvalues")[0].GetProperty("value").GetDouble(), 1e-4 * largest);
        Assert.Equal("digits-mlp.safetensors", json.GetProperty("environment").GetProperty("model").GetString());
    }
}
