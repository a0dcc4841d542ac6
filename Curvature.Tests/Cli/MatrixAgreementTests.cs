using System.Text.Json;
using Curvature.Cli;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>What the command measures of other matrices than the Hessian, by any estimator and by layer, against closed forms.</summary>
public class MatrixAgreementTests(SmallDigits digits) : IClassFixture<SmallDigits>
{
    public static TheoryData<string> TraceEstimators => [.. KnownTraceEstimators.Names];

    public static TheoryData<string> Matrices => [.. KnownOperators.Names];

    [Theory]
    [InlineData("ggn")]
    [InlineData("empirical-fisher")]
    public void Measure_eigs_finds_the_top_five_of_the_matrix_that_is_named(string matrix)
    {
        double[] all = matrix == "ggn" ? digits.GgnEigenvalues : digits.EmpiricalFisherEigenvalues;
        JsonElement json = Measure("eigs", "--matrix", matrix, "--top", "5");
        JsonElement[] found = [.. json.GetProperty("eigenvalues").EnumerateArray()];
        Assert.Equal(5, found.Length);
        Assert.All(all.Reverse().Zip(found), pair =>
            Assert.InRange(Math.Abs(pair.First - pair.Second.GetProperty("value").GetDouble()), 0, pair.Second.GetProperty("residual").GetDouble() + (1e-12 * all[^1])));
        Assert.DoesNotContain("stable-learning-rate", json.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString()));
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Measure_density_of_any_matrix_has_its_trace_and_that_of_its_layer(string matrix)
    {
        string[] part = ["--matrix", matrix, "--parameters", "fc2.bias"];
        JsonElement exact = Measure("trace", [.. part, "--probes", "10"]).GetProperty("trace");
        Assert.Equal(0, exact.GetProperty("standard_error").GetDouble());
        JsonElement json = Measure("density", [.. part, "--per-layer", "--steps", "10", "--runs", "4"]);
        JsonElement layer = Assert.Single(json.GetProperty("layers").EnumerateArray());
        foreach (JsonElement density in (JsonElement[])[json.GetProperty("density"), layer.GetProperty("density")])
        {
            double[] traces = [.. density.GetProperty("runs").EnumerateArray().Select(run =>
                10 * Numbers(run, "nodes").Zip(Numbers(run, "weights"), (node, weight) => node * weight).Sum())];
            Estimate trace = Estimate.FromSamples(traces, 40);
            Assert.InRange(trace.Value - exact.GetProperty("value").GetDouble(), -6 * trace.StandardError, 6 * trace.StandardError); // of four runs
        }
    }

    [Fact]
    public void Measure_density_holds_the_eigenvalues_of_the_whole_and_of_each_layer_within_its_bands_and_stops_at_its_tolerance()
    {
        JsonElement json = Measure("density", "--matrix", "ggn", "--per-layer", "--steps", "60", "--tolerance", "0.05", "--kernel-width", "0.05");
        using DisposeScope scope = NewDisposeScope();
        double[] fc1 = linalg.eigvalsh(digits.Ggn.narrow(0, 0, 2080).narrow(1, 0, 2080).contiguous()).data<double>().ToArray();
        JsonElement[] layers = [.. json.GetProperty("layers").EnumerateArray()];
        Assert.Equal(["fc1", "fc2"], layers.Select(layer => layer.GetProperty("name").GetString()));
        foreach ((double[] eigenvalues, JsonElement density) in ((double[], JsonElement)[])[(digits.GgnEigenvalues, json.GetProperty("density")), (fc1, layers[0].GetProperty("density"))])
        {
            Assert.Equal(0.05, density.GetProperty("kernel_width").GetDouble());
            Assert.InRange(density.GetProperty("runs").GetArrayLength(), 4, 31);
            double[] grid = Numbers(density, "grid"), low = Numbers(density, "cumulative_low"), high = Numbers(density, "cumulative_high");
            int[] outliers = [.. Enumerable.Range(0, grid.Length).Where(i => grid[i] > 0.1 * eigenvalues[^1])]; // where 60 steps tell eigenvalues apart
            int covered = outliers.Count(i => eigenvalues.Count(e => e <= grid[i]) / (double)eigenvalues.Length is var share && low[i] <= share + 1e-12 && share <= high[i] + 1e-12);
            Assert.InRange(covered, 0.9 * outliers.Length, outliers.Length);
            Assert.All(Numbers(density, "density").Zip(Numbers(density, "density_low"), Numbers(density, "density_high")), d => Assert.InRange(d.First, d.Second - 1e-12, d.Third + 1e-12));
        }

        Assert.DoesNotContain("not-converged", Findings(json));
        JsonElement missed = Measure("density", "--matrix", "ggn", "--per-layer", "--steps", "10", "--runs", "2", "--tolerance", "1e-6");
        string?[] told = [.. missed.GetProperty("findings").EnumerateArray().Where(finding => finding.GetProperty("id").GetString() == "not-converged").Select(finding => finding.GetProperty("message").GetString())];
        Assert.Equal(["The cumulative density", "Layer fc1: the cumulative density", "Layer fc2: the cumulative density"], told.Select(message => message!.Split(" reached")[0]));
    }

    [Theory]
    [MemberData(nameof(TraceEstimators))]
    public void Measure_trace_is_right_within_four_standard_errors_by_any_estimator(string estimator)
    {
        JsonElement json = Measure("trace", "--matrix", "ggn", "--estimator", estimator, "--per-layer", "--probes", "60");
        AssertWithinError(digits.GgnEigenvalues.Sum(), json.GetProperty("trace"));
        double fc1 = digits.Ggn.diagonal().narrow(0, 0, 2080).sum().ToDouble();
        JsonElement[] layers = [.. json.GetProperty("layers").EnumerateArray()];
        Assert.Equal(["fc1", "fc2"], layers.Select(layer => layer.GetProperty("name").GetString()));
        AssertWithinError(fc1, layers[0].GetProperty("trace"));
        AssertWithinError(digits.GgnEigenvalues.Sum() - fc1, layers[1].GetProperty("trace"));
    }

    [Fact]
    public void Only_estimators_with_layers_list_them_unasked()
    {
        Assert.Equal(2, Measure("trace", "--probes", "4").GetProperty("layers").GetArrayLength());
        Assert.Equal(0, Measure("trace", "--probes", "8", "--estimator", "xtrace").GetProperty("layers").GetArrayLength());
    }

    [Fact]
    public void A_trace_stops_at_its_tolerance()
    {
        JsonElement trace = Measure("trace", "--matrix", "ggn", "--estimator", "xtrace", "--tolerance", "0.02").GetProperty("trace");
        Assert.InRange(trace.GetProperty("products").GetInt32(), 32, 400);
        AssertWithinError(digits.GgnEigenvalues.Sum(), trace);
    }

    [Fact]
    public void A_Monte_Carlo_Fisher_is_fixed_by_its_seed()
    {
        double Largest(int seed) => Measure("eigs", "--matrix", "fisher", "--top", "1", "--seed", $"{seed}").GetProperty("eigenvalues")[0].GetProperty("value").GetDouble();
        double first = Largest(4);
        Assert.Equal(first, Largest(4));
        Assert.NotEqual(first, Largest(2), 1e-6);
        Assert.Equal(digits.GgnEigenvalues[^1], first, 0.5 * digits.GgnEigenvalues[^1]);
    }

    [Fact]
    public void More_draws_make_the_Fisher_matrix_of_so_many()
    {
        double Trace(params string[] options) => Measure("trace", ["--matrix", "fisher", "--parameters", "fc2.bias", "--probes", "10", "--seed", "5", .. options])
            .GetProperty("trace").GetProperty("value").GetDouble();
        double exact = digits.Ggn.diagonal().narrow(0, 2400, 10).sum().ToDouble(), one = Trace(), many = Trace("--fisher-samples", "50");
        Assert.NotEqual(one, many, 1e-6 * exact);
        Assert.Equal(exact, many, 0.05 * exact);
    }

    [Fact]
    public void The_exact_trace_of_the_Gauss_Newton_matrix_takes_no_products_and_has_no_error()
    {
        JsonElement json = Measure("trace", "--matrix", "ggn", "--estimator", "exact");
        double fc1 = digits.Ggn.diagonal().narrow(0, 0, 2080).sum().ToDouble(), whole = digits.GgnEigenvalues.Sum();
        AssertExact(whole, json.GetProperty("trace"));
        AssertExact(fc1, json.GetProperty("layers")[0].GetProperty("trace"));
        AssertExact(whole - fc1, json.GetProperty("layers")[1].GetProperty("trace"));
        Assert.Equal(0, json.GetProperty("environment").GetProperty("products").GetInt32());
    }

    [Fact]
    public void The_exact_trace_of_the_Hessian_is_had_where_the_network_is_linear_and_refused_by_name_where_not()
    {
        CommandRun run = CommandRun.Of(["measure", "trace", .. digits.Arguments, "--estimator", "exact"]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("'fc1'", run.Message, StringComparison.Ordinal);
        Assert.Contains("not piecewise linear", run.Message, StringComparison.Ordinal);
        Assert.Contains("Here: --matrix ggn, other --parameters, or another --estimator.", run.Message, StringComparison.Ordinal);

        // The last layer is linear in its parameters, so that its block is the Gauss-Newton matrix's.
        JsonElement json = Measure("trace", "--estimator", "exact", "--parameters", "fc2.*");
        AssertExact(digits.Ggn.diagonal().narrow(0, 2080, 330).sum().ToDouble(), json.GetProperty("trace"));
    }

    [Fact]
    public void A_network_without_second_derivatives_is_told_of_the_matrix_that_takes_none()
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        string[] arguments = [.. GridNetwork.Files(folder), "--loss", "mse", "--dtype", "float64", "--probes", "2", "--json"];
        CommandRun refused = CommandRun.Of(["measure", "trace", .. arguments]);
        Assert.Equal(CurvatureCommand.Failed, refused.ExitCode);
        Assert.Contains("grid_sampler", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--matrix finite-difference-hessian", refused.Message, StringComparison.Ordinal);
        foreach ((string[] command, string[] options) in ((string[], string[])[])[(["measure", "stability"], []), (["report"], ["--batch-sizes", "2"]), (["report"], ["--landscape", "random"])]) // of the Hessian alone
        {
            CommandRun alone = CommandRun.Of([.. command, .. arguments[..7], .. options, .. command.Length > 1 ? Array.Empty<string>() : ["--out", folder.File("out")]]);
            Assert.Equal(CurvatureCommand.Failed, alone.ExitCode);
            Assert.DoesNotContain("On the command line", alone.Message, StringComparison.Ordinal);
        }

        using GridNetwork network = new();
        network.to(ScalarType.Float64);
        (Tensor images, Tensor expected) = GridNetwork.Samples();
        Objective objective = Objective.Supervised(network, new MeanSquaredError(), [new Batch(images.to(ScalarType.Float64), expected.to(ScalarType.Float64))]);
        double[,] dense = DenseHessian.ByDifferences(objective);
        JsonElement json = CommandRun.Of(["measure", "trace", .. arguments, "--matrix", "finite-difference-hessian"]).Json();
        Assert.Equal(dense[0, 0] + dense[1, 1], json.GetProperty("trace").GetProperty("value").GetDouble(), 1e-6);
    }

    [Fact]
    public void The_exact_trace_of_TorchScript_is_estimated_and_a_finding_says_so()
    {
        string Fixture(string file) => Repository.File($"Curvature.Tests/Fixtures/torchscript/{file}");
        JsonElement Of(string quantity, string estimator) => CommandRun.Of(
            ["measure", quantity, Fixture("mlp-scripted-f64.pt"), "--data", Fixture("mlp.npz"), "--loss", "cross-entropy", "--matrix", "ggn", "--estimator", estimator, "--json"]).Json();
        foreach (string quantity in (string[])["trace", "diagonal"])
        {
            (JsonElement exact, JsonElement drawn) = (Of(quantity, "exact"), Of(quantity, "hutchinson"));
            JsonElement finding = exact.GetProperty("findings").EnumerateArray().Single(f => f.GetProperty("id").GetString() == "stochastic-estimate");
            Assert.Contains("TorchScript", finding.GetProperty("message").GetString(), StringComparison.Ordinal);
            Assert.DoesNotContain("stochastic-estimate", drawn.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("id").GetString()));
            Assert.Equal(drawn.GetProperty(quantity).GetRawText(), exact.GetProperty(quantity).GetRawText());
            Assert.Equal(64, exact.GetProperty("environment").GetProperty("products").GetInt32());
        }

        JsonElement estimate = CommandRun.Of(
            ["measure", "trace", Fixture("mlp-scripted-f64.pt"), "--data", Fixture("mlp.npz"), "--loss", "cross-entropy", "--matrix", "ggn", "--estimator", "exact", "--estimate", "--json"]).Json();
        Assert.Contains("stochastic-estimate", Findings(estimate));
    }

    [Fact]
    public void The_exact_diagonal_goes_into_a_file()
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        string file = folder.File("diagonal.safetensors");
        JsonElement json = Measure("diagonal", "--matrix", "ggn", "--estimator", "exact", "--out", file);
        Tensor written = SafetensorsFile.Read(file)["diagonal.fc1.weight"];
        Tensor expected = digits.Ggn.diagonal().narrow(0, 0, 2048).reshape(written.shape);
        Assert.True(written.sub(expected).abs().max().ToDouble() < 1e-12);
        Assert.Equal(0, json.GetProperty("diagonal").GetProperty("relative_error").GetDouble());

        CommandRun run = CommandRun.Of(["measure", "diagonal", .. digits.Arguments, "--estimator", "exact"]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("no exact diagonal", run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Products_of_the_blocks_are_counted()
    {
        JsonElement json = Measure("norm", "--matrix", "ggn", "--probes", "8", "--per-layer");
        Assert.Equal(24, json.GetProperty("environment").GetProperty("products").GetInt32());
    }

    [Fact]
    public void Per_layer_are_the_eigenvalues_of_the_diagonal_blocks()
    {
        JsonElement json = Measure("eigs", "--matrix", "ggn", "--top", "3", "--per-layer");
        foreach ((JsonElement layer, (string name, long start, long length)) in json.GetProperty("layers").EnumerateArray().Zip([("fc1", 0L, 2080L), ("fc2", 2080L, 330L)]))
        {
            using DisposeScope scope = NewDisposeScope();
            double[] exact = linalg.eigvalsh(digits.Ggn.narrow(0, start, length).narrow(1, start, length).contiguous()).data<double>().ToArray();
            Assert.Equal((name, length), (layer.GetProperty("name").GetString(), layer.GetProperty("parameters").GetInt64()));
            double[] found = [.. layer.GetProperty("eigenvalues").EnumerateArray().Select(eigenvalue => eigenvalue.GetProperty("value").GetDouble())];
            Assert.All(exact.Reverse().Take(3).Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-4 * exact[^1]));
        }
    }

    [Theory]
    [InlineData("vectors.npz")]
    [InlineData("vectors.safetensors")]
    public void Eigenvectors_are_written_by_parameter(string name)
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        JsonElement json = Measure("eigs", "--matrix", "ggn", "--top", "2", "--out", folder.File(name));
        Assert.Equal(folder.File(name), json.GetProperty("vectors").GetString());
        Assert.Equal([folder.File(name)], folder.Entries());

        IReadOnlyDictionary<string, Tensor> file = name.EndsWith("npz", StringComparison.Ordinal) ? NpzFile.Read(folder.File(name)) : SafetensorsFile.Read(folder.File(name));
        Assert.Equal([2L, 32, 64], file["eigenvectors.fc1.weight"].shape);
        string[] order = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"];
        Tensor vectors = cat([.. order.Select(parameter => file[$"eigenvectors.{parameter}"].reshape(2, -1))], 1);
        Tensor residuals = vectors.mm(digits.Ggn).sub(file["eigenvalues"].unsqueeze(1).mul(vectors));
        Assert.All(residuals.pow(2).sum(dim: 1).sqrt().data<double>().ToArray(), residual => Assert.InRange(residual, 0, 1e-4 * digits.GgnEigenvalues[^1]));
        Assert.Equal(json.GetProperty("eigenvalues")[0].GetProperty("value").GetDouble(), file["eigenvalues"][0].ToDouble());
    }

    [Fact]
    public void Vectors_that_cannot_be_written_fail_before_any_work()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("file", "precious");
        CommandRun run = CommandRun.Of(["measure", "eigs", .. digits.Arguments, "--out", $"{file}/vectors.npz"]);
        Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("error: Cannot write", run.Error, StringComparison.Ordinal);
        Assert.Single(folder.Entries());
    }

    [Fact]
    public void A_table_names_the_matrix_and_the_layers()
    {
        CommandRun run = CommandRun.Of(["measure", "eigs", .. digits.Arguments, "--matrix", "ggn", "--top", "1", "--per-layer"]);
        Assert.StartsWith("ggn of cross-entropy of digits-mlp.safetensors", run.Output, StringComparison.Ordinal);
        Assert.Contains("layer fc1, 2,080 parameters", run.Output, StringComparison.Ordinal);
        Assert.Contains("for the whole and for each of 2 layers", run.Error, StringComparison.Ordinal);
    }

    private JsonElement Measure(string quantity, params string[] options)
    {
        CommandRun run = CommandRun.Of(["measure", quantity, .. digits.Arguments, .. options, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run.Json();
    }

    private static double[] Numbers(JsonElement element, string member) => [.. element.GetProperty(member).EnumerateArray().Select(number => number.GetDouble())];

    private static string?[] Findings(JsonElement json) => [.. json.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString())];

    private static void AssertExact(double expected, JsonElement estimate)
    {
        Assert.Equal(expected, estimate.GetProperty("value").GetDouble(), 1e-9 * expected);
        Assert.Equal(0, estimate.GetProperty("standard_error").GetDouble());
    }

    private static void AssertWithinError(double expected, JsonElement estimate)
    {
        double error = Math.Abs(expected - estimate.GetProperty("value").GetDouble());
        Assert.InRange(error, 0, (4 * estimate.GetProperty("standard_error").GetDouble()) + (1e-12 * expected));
    }
}
