using System.Text.Json;
using Curvature.Checkpoints;
using Curvature.Cli;
using Curvature.Cli.Work;
using Curvature.Data;
using Curvature.Sharpness;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary><c>curvature measure landscape</c>.</summary>
public class LandscapeTests
{
    private static readonly string[] Quick = ["measure", "landscape", .. CommandRun.Digits, "--samples", "64", "--steps", "5"];

    [Fact]
    public void Writes_figures_and_numbers_and_prints_the_lines()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of([.. Quick, "--out", folder.File("slices")]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Equal(["landscape-curves.svg", "landscape-surface.svg", "landscape.json", "landscape.svg"], Directory.GetFiles(folder.File("slices")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("plane of 5 x 5 points", run.Output, StringComparison.Ordinal);
        Assert.Contains("random direction 2", run.Output, StringComparison.Ordinal);
        Assert.Contains("Planned: 35 points over 64 samples", run.Error, StringComparison.Ordinal);

        JsonElement json = JsonDocument.Parse(File.ReadAllText(folder.File("slices/landscape.json"))).RootElement;
        Assert.Equal(["environment", "landscape", "findings"], json.EnumerateObject().Select(member => member.Name));
        Assert.Equal(2, json.GetProperty("environment").GetProperty("products").GetInt32()); // a quadratic model of each line
        JsonElement surface = json.GetProperty("landscape").GetProperty("surface"), curve = json.GetProperty("landscape").GetProperty("curves")[0];
        Assert.Equal([-1, -0.5, 0, 0.5, 1], Numbers(surface.GetProperty("across")));
        Assert.Equal(Numbers(curve.GetProperty("losses")), Numbers(surface.GetProperty("losses")[2])); // the plane's middle row is the first line
    }

    [Fact]
    public void Along_eigenvectors_the_curvature_is_the_eigenvalue()
    {
        CommandRun run = CommandRun.Of([.. Quick, "--directions", "eigenvectors", "--dimensions", "1", "--range", "0.01", "--json", "--dtype", "float64"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        CommandRun eigenvalues = CommandRun.Of(["measure", "eigs", .. CommandRun.Digits, "--samples", "64", "--top", "2", "--json", "--dtype", "float64"]);
        JsonElement curves = run.Json().GetProperty("landscape").GetProperty("curves");
        foreach ((int i, JsonElement eigenvalue) in eigenvalues.Json().GetProperty("eigenvalues").EnumerateArray().Index())
        {
            double lambda = eigenvalue.GetProperty("value").GetDouble();
            Assert.Equal(lambda, curves[i].GetProperty("curvature").GetDouble(), 1e-5 * Math.Abs(lambda));
            double[] losses = Numbers(curves[i].GetProperty("losses"));
            Assert.Equal(lambda, (losses[4] - (2 * losses[2]) + losses[0]) / 1e-4, 0.01 * Math.Abs(lambda));
        }

        Assert.Equal(JsonValueKind.Null, run.Json().GetProperty("landscape").GetProperty("surface").ValueKind);
    }

    [Fact]
    public void A_report_holds_the_slices_where_they_are_asked_for()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(
            ["report", .. CommandRun.Digits, "--samples", "64", "--probes", "4", "--top", "1", "--steps", "4", "--runs", "1", "--landscape", "random", "--out", folder.File("report")]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Contains(folder.File("report/landscape.svg"), Directory.GetFiles(folder.File("report")));
        Assert.Contains(">Landscape<", File.ReadAllText(folder.File("report/report.html")), StringComparison.Ordinal);
        JsonElement landscape = JsonDocument.Parse(File.ReadAllText(folder.File("report/report.json"))).RootElement.GetProperty("landscape");
        Assert.Equal(21, landscape.GetProperty("surface").GetProperty("losses").GetArrayLength());
    }

    [Theory]
    [InlineData(1e6, 21)]
    [InlineData(400, 17)]
    [InlineData(0, 5)]
    public void Less_time_makes_fewer_points(double evaluations, int steps)
    {
        LandscapeWork work = new LandscapeWork { Directions = LandscapeWork.Random }.Within(evaluations);
        Assert.Equal(steps, work.Steps);
        Assert.True(work.Evaluations <= evaluations || steps == 5);
    }

    [Fact]
    public void To_another_checkpoint_there_is_a_barrier_or_none()
    {
        using var folder = new TemporaryFolder();
        string same = folder.File("same.safetensors"), negative = folder.File("negative.safetensors"), other = folder.File("other.safetensors"), elsewhere = folder.File("elsewhere.safetensors");
        using (LoadedModel model = Checkpoint.Load(CommandRun.Digits[0], "digits-mlp"))
        {
            (string, Tensor)[] With(Func<string, Tensor, Tensor> change) => [.. model.Module.state_dict().Select(entry => (entry.Key, change(entry.Key, entry.Value.detach())))];
            SafetensorsFile.Write(same, With((_, w) => w.mul(1.001)));
            SafetensorsFile.Write(elsewhere, With((name, w) => name == "fc2.bias" ? w.add(1) : w));
            SafetensorsFile.Write(negative, With((name, w) => name == "fc2.bias" ? w : w.neg())); // tanh is odd: the same function of the data, far away
            SafetensorsFile.Write(other, With((name, w) => name == "fc2.bias" ? w.narrow(0, 0, 9) : w));
        }

        JsonElement near = CommandRun.Of([.. Quick, "--to", same, "--json"]).Json();
        Assert.Equal([-0.5, 0, 0.5, 1, 1.5], Numbers(near.GetProperty("landscape").GetProperty("curves")[0].GetProperty("positions")));
        Assert.Equal(64, near.GetProperty("environment").GetProperty("to_sha256").GetString()!.Length);
        Assert.Contains("one valley", near.GetProperty("findings").ToString(), StringComparison.Ordinal);
        JsonElement far = CommandRun.Of([.. Quick, "--to", negative, "--json"]).Json();
        double[] losses = Numbers(far.GetProperty("landscape").GetProperty("curves")[0].GetProperty("losses"));
        Assert.Equal(losses[1], losses[3], 1e-5 * losses[1]);
        Assert.True(far.GetProperty("landscape").GetProperty("curves")[0].GetProperty("barrier").GetDouble() > 1);
        Assert.Contains("different valleys", far.GetProperty("findings").ToString(), StringComparison.Ordinal);
        CommandRun refused = CommandRun.Of([.. Quick, "--to", other]);
        Assert.Equal(CurvatureCommand.Failed, refused.ExitCode);
        CommandRun equal = CommandRun.Of([.. Quick, "--to", CommandRun.Digits[0]]);
        Assert.Equal(CurvatureCommand.Failed, equal.ExitCode);
        Assert.Contains("digits-mlp.safetensors and digits-mlp.safetensors have the same weights", equal.Message, StringComparison.Ordinal);
        CommandRun unseen = CommandRun.Of([.. Quick, "--parameters", "fc1.*", "--to", elsewhere]);
        Assert.Contains("have the same weights in what --parameters fc1.* looks at", unseen.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Losses_that_are_not_finite_are_null_and_a_finding()
    {
        CommandRun run = CommandRun.Of([.. Quick, "--dimensions", "1", "--range", "3e38", "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement losses = run.Json().GetProperty("landscape").GetProperty("curves")[0].GetProperty("losses");
        Assert.Contains(losses.EnumerateArray(), loss => loss.ValueKind == JsonValueKind.Null);
        Assert.Single(run.Json().GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("id").GetString() == "non-finite");
    }

    [Fact]
    public void A_barrier_is_judged_by_the_losses_at_both_ends_however_positions_are_rounded()
    {
        LandscapeAxis axis = new(-1.3, 2.3, 37); // --range 3.6 --steps 37
        LandscapeCurve bump = new(axis.Positions, [.. axis.Positions.Select(t => Math.Abs(t - 0.5) < 0.01 ? 1.02 : 1)]);
        Finding finding = Assert.Single(LandscapeFindings.Examine(new LandscapeSummary("", [("to b", bump)], null)));
        Assert.Equal(("barrier", Severity.Info), (finding.Id, finding.Severity));

        LandscapeCurve besides = new([-0.25, 0.5, 1.25], [1, 2, 1]);
        Assert.Equal("no-barrier", Assert.Single(LandscapeFindings.Examine(new LandscapeSummary("", [("to b", besides)], null))).Id);
    }

    [Fact]
    public void Eigenvectors_that_did_not_converge_are_a_finding()
    {
        LandscapeCurve curve = new([-1, 0, 1], [2, 1, 2]) { Quadratic = (1, 0, 2) };
        LandscapeSummary landscape = new("", [("eigenvector", curve)], null) { Eigenvalues = [new(4, 1e-9, true), new(2, 0.5, false)], Products = 200 };
        Assert.Contains("1 of 2 eigenvectors that the lines follow did not converge within 200 products", Assert.Single(LandscapeFindings.Examine(landscape)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_budget_cuts_points_where_samples_are_given()
    {
        CommandRun run = CommandRun.Of(["measure", "landscape", .. CommandRun.Digits, "--samples", "1797", "--steps", "1001", "--budget", "0.0001", "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement json = run.Json(), cut = json.GetProperty("findings").EnumerateArray().Single(finding => finding.GetProperty("id").GetString() == "cut-budget");
        Assert.Contains("the points along each direction are cut from 1,001 to ", cut.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(cut.GetProperty("evidence").GetProperty("steps").GetInt32(), json.GetProperty("landscape").GetProperty("surface").GetProperty("across").GetArrayLength());
        Assert.Equal(1797, json.GetProperty("environment").GetProperty("samples").GetInt32());
    }

    [Theory]
    [InlineData(21, 30, 21)]
    [InlineData(21, 10, 9)]
    [InlineData(7, 1, 5)]
    public void On_the_line_to_another_checkpoint_both_ends_stay_among_fewer_points(int steps, double evaluations, int kept) => Assert.Equal(kept, LandscapeWork.StepsWithin(steps, evaluations));

    [Theory]
    [InlineData("--steps", "4", "expected an odd number")]
    [InlineData("--directions", "gradient", "expected one of random, eigenvectors")]
    [InlineData("--range", "0", "expected a number above 0")]
    public void Options_out_of_range_are_usage_errors(string option, string value, string message)
    {
        CommandRun run = CommandRun.Of(["measure", "landscape", .. CommandRun.Digits, option, value]);
        Assert.Equal(CurvatureCommand.Usage, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    private static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(number => number.GetDouble())];
}
