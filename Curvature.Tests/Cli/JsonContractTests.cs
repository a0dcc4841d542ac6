using System.Globalization;
using System.Text.Json;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>What scripts rely on in <c>measure --json</c>: names and their order.</summary>
public class JsonContractTests
{
    private static readonly string[] Few = ["--samples", "64", "--threads", "1"];

    [Fact]
    public void A_trace_comes_with_its_layers()
    {
        JsonElement json = Measure("trace", "--probes", "4");
        Assert.Equal(["environment", "trace", "layers", "findings"], Names(json));
        AssertEstimate(json.GetProperty("trace"), products: 4);
        Assert.Equal(["fc1", "fc2"], json.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("name").GetString()));
        foreach (JsonElement layer in json.GetProperty("layers").EnumerateArray())
        {
            AssertEstimate(layer.GetProperty("trace"), products: 4);
        }

        double sum = json.GetProperty("layers").EnumerateArray().Sum(layer => layer.GetProperty("trace").GetProperty("value").GetDouble());
        Assert.Equal(json.GetProperty("trace").GetProperty("value").GetDouble(), sum, 9);
    }

    [Fact]
    public void As_many_probes_as_parameters_give_the_exact_trace()
    {
        JsonElement trace = Measure("trace", "--parameters", "fc2.bias", "--probes", "10").GetProperty("trace");
        Assert.Equal((0.0, 10), (trace.GetProperty("standard_error").GetDouble(), trace.GetProperty("products").GetInt32()));
    }

    [Fact]
    public void A_tolerance_is_reached_with_fewer_probes_than_parameters()
    {
        JsonElement trace = Measure("trace", "--parameters", "fc2.*", "--tolerance", "0.5").GetProperty("trace");
        Assert.InRange(trace.GetProperty("products").GetInt32(), 16, 100); // of 330
    }

    [Fact]
    public void Eigenvalues_are_one_list_with_the_largest_magnitude_first()
    {
        JsonElement json = Measure("eigs", "--top", "3", "--which", "both");
        Assert.Equal(["environment", "eigenvalues", "findings"], Names(json));
        JsonElement[] eigenvalues = [.. json.GetProperty("eigenvalues").EnumerateArray()];
        Assert.Equal(6, eigenvalues.Length);
        Assert.All(eigenvalues, eigenvalue => Assert.Equal(["value", "residual", "converged"], Names(eigenvalue)));
        double[] magnitudes = [.. eigenvalues.Select(eigenvalue => Math.Abs(eigenvalue.GetProperty("value").GetDouble()))];
        Assert.Equal(magnitudes.OrderDescending(), magnitudes);
    }

    [Fact]
    public void A_density_carries_its_nodes_weights_and_kernel_width()
    {
        JsonElement json = Measure("density", "--steps", "12", "--runs", "3");
        Assert.Equal(["environment", "density", "findings"], Names(json));
        JsonElement density = json.GetProperty("density");
        Assert.True(density.GetProperty("kernel_width").GetDouble() > 0);
        JsonElement[] runs = [.. density.GetProperty("runs").EnumerateArray()];
        Assert.Equal(3, runs.Length);
        Assert.All(runs, run => Assert.Equal(12, run.GetProperty("nodes").GetArrayLength()));
        Assert.All(runs, run => Assert.Equal(1, run.GetProperty("weights").EnumerateArray().Sum(weight => weight.GetDouble()), 9));
        int points = density.GetProperty("grid").GetArrayLength();
        Assert.All(
            (string[])["density", "cumulative", "cumulative_standard_error", "cumulative_low", "cumulative_high", "density_low", "density_high"],
            curve => Assert.Equal(points, density.GetProperty(curve).GetArrayLength()));
        AssertEstimate(density.GetProperty("negative_mass"), products: 36);
    }

    [Fact]
    public void Stability_says_where_an_optimizer_stands_and_how_eigenvalues_go_with_the_batch_size()
    {
        JsonElement json = Measure("stability", "--optimizer", "sgd", "--lr", "4", "--batch", "16", "--batch-sizes", "16,64");
        Assert.Equal(["environment", "stability", "batch_sizes", "findings"], Names(json));
        Assert.True(json.GetProperty("environment").GetProperty("products").GetInt32() > 16 + 2); // the study's trace and noise, beside its eigenvalue and the batch sizes
        JsonElement full = Measure("stability", "--batch", "65"), all = Measure("stability", "--batch", "64");
        Assert.Contains("full-batch", Findings(full));
        Assert.Contains("full-batch", Findings(all));
        Assert.DoesNotContain("full-batch", Findings(json));
        Assert.InRange(full.GetProperty("environment").GetProperty("products").GetInt32(), 5, 101);
        JsonElement stability = json.GetProperty("stability");
        Assert.Equal(
            ["optimizer", "learning_rate", "momentum", "batch_size", "sharpness", "preconditioned_sharpness", "limit", "ratio", "verdict", "limits", "batch_sharpness", "trace", "noise"],
            Names(stability));
        Assert.Equal(("sgd", "beyond", 4.0), (stability.GetProperty("optimizer").GetString(), stability.GetProperty("verdict").GetString(), stability.GetProperty("learning_rate").GetDouble()));
        Assert.Equal(2 / stability.GetProperty("sharpness").GetProperty("value").GetDouble(), stability.GetProperty("limit").GetDouble(), 1e-9);
        Assert.Equal(["rule", "condition", "learning_rate", "standard_error"], Names(stability.GetProperty("limits")[0]));
        JsonElement[] sizes = [.. json.GetProperty("batch_sizes").GetProperty("sizes").EnumerateArray()];
        Assert.Equal([16, 64], sizes.Select(size => size.GetProperty("batch_size").GetInt32()));
        Assert.Equal(0, sizes[1].GetProperty("largest").GetProperty("standard_error").GetDouble()); // all samples there are
        Assert.Contains("edge-of-stability", Findings(json));
        Assert.Contains("batch-size-law", Findings(json));
    }

    [Fact]
    public void The_environment_says_under_what_circumstances()
    {
        JsonElement environment = Measure("trace", "--probes", "2", "--seed", "7").GetProperty("environment");
        string[] expected =
        [
            "curvature", "dotnet", "libtorch", "blas", "threads", "device", "tf32", "dtype", "mode", "seed",
            "model", "model_sha256", "data", "data_sha256", "samples", "samples_available", "products", "seconds",
        ];
        Assert.Equal(expected, Names(environment).Intersect(expected));
        Assert.Equal(
            (7, 1, 64L, 1797L, 2, "float32", "eval"),
            (environment.GetProperty("seed").GetInt32(), environment.GetProperty("threads").GetInt32(), environment.GetProperty("samples").GetInt64(),
                environment.GetProperty("samples_available").GetInt64(), environment.GetProperty("products").GetInt32(),
                environment.GetProperty("dtype").GetString(), environment.GetProperty("mode").GetString()));
        Assert.Equal(("cpu", false), (environment.GetProperty("device").GetString(), environment.GetProperty("tf32").GetBoolean()));
        Assert.Equal(64, environment.GetProperty("model_sha256").GetString()!.Length);
    }

    [Fact]
    public void Not_converged_is_exit_code_0_with_a_finding()
    {
        // With one probe the standard error is unknown: null, and said so.
        CommandRun run = CommandRun.Of(["measure", "trace", .. CommandRun.Digits, .. Few, "--probes", "1", "--json"]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Equal(JsonValueKind.Null, run.Json().GetProperty("trace").GetProperty("standard_error").ValueKind);
        Assert.Contains("non-finite", Findings(run.Json()));

        string text = CommandRun.Of(["measure", "trace", .. CommandRun.Digits, .. Few, "--probes", "1"]).Output;
        Assert.Contains("± unknown", text, StringComparison.Ordinal);
        Assert.Contains("info non-finite: ", text, StringComparison.Ordinal);

        run = CommandRun.Of(["measure", "eigs", .. CommandRun.Digits, .. Few, "--top", "40", "--budget", "0.00001", "--json"]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Contains("not-confirmed", Findings(run.Json()));

        run = CommandRun.Of(["measure", "eigs", .. CommandRun.Digits, .. Few, "--top", "40", "--tolerance", "1e-12", "--budget", "0.00001", "--json"]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Contains("not-converged", Findings(run.Json()));
    }

    [Fact]
    public void A_budget_that_is_too_small_for_all_says_what_it_cut_before_and_after()
    {
        CommandRun run = CommandRun.Of(["measure", "density", .. CommandRun.Digits, "--budget", "0.0001", "--json"]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Contains("the work is cut to 500 of 1,797 samples", run.Error, StringComparison.Ordinal);
        JsonElement finding = Assert.Single(run.Json().GetProperty("findings").EnumerateArray(), f => f.GetProperty("id").GetString() == "cut-budget");
        Assert.Equal("500 of 1,797 samples", finding.GetProperty("evidence").GetProperty("cuts")[0].GetString());
        Assert.Equal(500, run.Json().GetProperty("environment").GetProperty("samples").GetInt32());
    }

    [Fact]
    public void A_trace_that_misses_its_tolerance_says_so()
    {
        JsonElement json = Measure("trace", "--probes", "4", "--tolerance", "1e-9");
        Assert.Contains("not-converged", Findings(json));
    }

    [Fact]
    public void Findings_have_id_severity_message_and_evidence()
    {
        JsonElement[] findings = [.. Measure("eigs", "--top", "1").GetProperty("findings").EnumerateArray()];
        Assert.Contains("stable-learning-rate", findings.Select(finding => finding.GetProperty("id").GetString()));
        Assert.All(findings, finding => Assert.Equal(["id", "severity", "message", "evidence"], Names(finding)));
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits()
    {
        double Value() => Measure("trace", "--probes", "4", "--seed", "3").GetProperty("trace").GetProperty("value").GetDouble();
        Assert.Equal(Value(), Value());
    }

    [Fact]
    public void Reads_and_prints_alike_under_a_decimal_comma()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        var comma = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (comma.NumberFormat.NumberDecimalSeparator, comma.NumberFormat.NumberGroupSeparator) = (",", ".");
        try
        {
            CultureInfo.CurrentCulture = comma;
            JsonElement json = Measure("trace", "--probes", "2", "--budget", "0.5", "--l2", "0.25");
            Assert.Equal(JsonValueKind.Number, json.GetProperty("trace").GetProperty("value").ValueKind);
            Assert.Same(comma, CultureInfo.CurrentCulture);

            string text = CommandRun.Of(["measure", "trace", .. CommandRun.Digits, .. Few, "--probes", "2"]).Output;
            Assert.Contains("2,410", text, StringComparison.Ordinal);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static JsonElement Measure(string quantity, params string[] options)
    {
        CommandRun run = CommandRun.Of(["measure", quantity, .. CommandRun.Digits, .. Few, .. options, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run.Json();
    }

    private static string[] Names(JsonElement element) => [.. element.EnumerateObject().Select(member => member.Name)];

    private static string?[] Findings(JsonElement json) => [.. json.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString())];

    private static void AssertEstimate(JsonElement estimate, int products)
    {
        Assert.Equal(["value", "standard_error", "products"], Names(estimate));
        Assert.Equal(products, estimate.GetProperty("products").GetInt32());
    }
}
