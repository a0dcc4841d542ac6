using System.Text.Json;
using Curvature.Cli;
using Curvature.Data;
using Curvature.Estimators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>Diagonal, norms and log-determinant as the command measures them, against closed forms; and the JSON they come in.</summary>
public class NumbersAgreementTests(SmallDigits digits) : IClassFixture<SmallDigits>
{
    private const double Damping = 0.01;

    private readonly double[] _blockOfFc2 = Eigenvalues(digits.Ggn, 2080, 330);

    public static TheoryData<string> DiagonalEstimators => [.. KnownDiagonalEstimators.Names];

    [Theory]
    [MemberData(nameof(DiagonalEstimators))]
    public void A_diagonal_is_right_within_its_errors_by_any_estimator(string estimator)
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        JsonElement json = Measure("diagonal", "--estimator", estimator, "--probes", "200", "--out", folder.File("d.npz"));
        Tensor values = Whole(folder.File("d.npz"), "diagonal"), errors = Whole(folder.File("d.npz"), "standard_errors");

        double share = values.sub(digits.Ggn.diagonal()).abs().le(errors.mul(3).add(1e-12)).to(ScalarType.Float64).mean().ToDouble();
        Assert.InRange(share, 0.97, 1);
        JsonElement diagonal = json.GetProperty("diagonal");
        Assert.Equal(values.max().ToDouble(), diagonal.GetProperty("largest").GetDouble());
        Assert.Equal(values.sum().ToDouble(), diagonal.GetProperty("sum").GetDouble(), 9);
        Assert.Equal(
            values.sum().ToDouble(), json.GetProperty("layers").EnumerateArray().Sum(layer => layer.GetProperty("sum").GetDouble()), 9);
    }

    [Fact]
    public void As_many_products_as_parameters_give_the_exact_diagonal()
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        JsonElement json = Measure("diagonal", "--parameters", "fc2.*", "--probes", "330", "--out", folder.File("d.safetensors"));
        IReadOnlyDictionary<string, Tensor> file = SafetensorsFile.Read(folder.File("d.safetensors"));
        Tensor exact = digits.Ggn.diagonal().narrow(0, 2080, 330);
        Tensor found = cat([file["diagonal.fc2.weight"].reshape(-1), file["diagonal.fc2.bias"]]);
        Assert.InRange(found.sub(exact).abs().max().ToDouble(), 0, 1e-12);
        Assert.Equal(0, json.GetProperty("diagonal").GetProperty("relative_error").GetDouble());
        AssertWithinError(exact.square().sum().ToDouble(), json.GetProperty("diagonal").GetProperty("sum_of_squares"), 0);
        Assert.Equal(0, json.GetProperty("diagonal").GetProperty("sum_of_squares").GetProperty("standard_error").GetDouble());
        Assert.Equal(0, file["standard_errors.fc2.weight"].abs().max().ToDouble());
    }

    [Theory]
    [InlineData("hutchinson", true)]
    [InlineData("exact", true)]
    [InlineData("xdiag", false)] // squares of its entries would count their noise
    public void A_diagonal_comes_with_its_sum_of_squares_where_that_is_known(string estimator, bool hasOne)
    {
        string[] probes = estimator == "exact" ? [] : ["--probes", "64"];
        JsonElement diagonal = Measure("diagonal", ["--estimator", estimator, .. probes]).GetProperty("diagonal");
        Assert.Equal(hasOne, diagonal.TryGetProperty("sum_of_squares", out JsonElement squares));
        if (hasOne)
        {
            AssertWithinError(digits.Ggn.diagonal().square().sum().ToDouble(), squares, 0);
            Assert.InRange(squares.GetProperty("standard_error").GetDouble(), 0, 0.5 * squares.GetProperty("value").GetDouble());
        }
    }

    [Fact]
    public void A_diagonal_of_few_probes_says_how_imprecise_it_is()
    {
        JsonElement json = Measure("diagonal", "--probes", "8");
        Assert.Equal(["environment", "diagonal", "layers", "findings"], Names(json));
        Assert.Equal(
            ["parameters", "sum", "smallest", "largest", "negative_share", "standard_error", "relative_error", "sum_of_squares", "products"],
            Names(json.GetProperty("diagonal")));
        Assert.Contains("imprecise-diagonal", Findings(json));
        Assert.Contains("not-converged", Findings(Measure("diagonal", "--probes", "8", "--tolerance", "0.01")));
    }

    [Fact]
    public void The_Frobenius_norm_is_an_estimate_and_with_all_products_exact()
    {
        JsonElement norm = Measure("norm", "--probes", "64").GetProperty("norm");
        Assert.Equal(["kind", "value", "standard_error", "products"], Names(norm));
        AssertWithinError(Frobenius(digits.GgnEigenvalues), norm, 0);
        JsonElement exact = Measure("norm", "--parameters", "fc2.*", "--probes", "330").GetProperty("norm");
        Assert.Equal(Frobenius(_blockOfFc2), exact.GetProperty("value").GetDouble(), 1e-9);
        Assert.Equal(0, exact.GetProperty("standard_error").GetDouble());
    }

    [Fact]
    public void The_operator_norm_lies_between_its_bounds_of_the_whole_and_of_each_layer()
    {
        JsonElement json = Measure("norm", "--norm", "operator", "--per-layer", "--steps", "40");
        Assert.Equal(["environment", "norm", "layers", "findings"], Names(json));
        JsonElement norm = json.GetProperty("norm"), layer = json.GetProperty("layers")[1].GetProperty("norm");
        Assert.Equal(["kind", "value", "residual", "upper_bound", "probability", "products"], Names(norm));
        foreach ((double exact, JsonElement bounds) in ((double, JsonElement)[])[(digits.GgnEigenvalues[^1], norm), (_blockOfFc2[^1], layer)])
        {
            Assert.InRange(exact, bounds.GetProperty("value").GetDouble() * (1 - 1e-12), bounds.GetProperty("upper_bound").GetDouble());
            Assert.Equal(exact, bounds.GetProperty("value").GetDouble(), 1e-6 * exact);
        }
    }

    [Fact]
    public void A_Schatten_norm_is_the_trace_for_order_1_and_the_Frobenius_norm_for_order_2()
    {
        foreach ((string order, double exact) in ((string, double)[])[("1", digits.GgnEigenvalues.Sum()), ("2", Frobenius(digits.GgnEigenvalues))])
        {
            JsonElement norm = Measure("norm", "--norm", "schatten", "--order", order).GetProperty("norm");
            Assert.Equal($"schatten-{order}", norm.GetProperty("kind").GetString());
            AssertWithinError(exact, norm, norm.GetProperty("quadrature_error").GetDouble());
        }
    }

    [Fact]
    public void The_log_determinant_of_the_whole_and_of_each_layer_is_right_within_its_errors()
    {
        JsonElement json = Measure("logdet", "--damping", "0.01", "--per-layer");
        Assert.Equal(["environment", "log_determinant", "layers", "findings"], Names(json));
        JsonElement whole = json.GetProperty("log_determinant"), layer = json.GetProperty("layers")[1].GetProperty("log_determinant");
        Assert.Equal(["value", "standard_error", "products", "quadrature_error"], Names(whole));
        AssertWithinError(LogDeterminant(digits.GgnEigenvalues), whole, whole.GetProperty("quadrature_error").GetDouble());
        AssertWithinError(LogDeterminant(_blockOfFc2), layer, layer.GetProperty("quadrature_error").GetDouble());
    }

    [Fact]
    public void A_quadrature_of_few_steps_says_that_it_has_not_settled() =>
        Assert.Contains("coarse-quadrature", Findings(Measure("logdet", "--damping", "0.0001", "--steps", "4", "--runs", "16")));

    [Fact]
    public void A_log_determinant_that_does_not_exist_is_one_message_with_the_damping_it_takes()
    {
        CommandRun run = CommandRun.Of(["measure", "logdet", .. digits.Arguments, "--damping", "0.0001"]); // the Hessian is indefinite
        Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
        Assert.Contains("needs a positive definite matrix", run.Message, StringComparison.Ordinal);
        Assert.Contains("Use a damping well above", run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_determinant_that_cannot_exist_is_refused_before_the_work_and_a_doubtful_one_is_told_of()
    {
        CommandRun run = CommandRun.Of(["measure", "logdet", .. digits.Arguments, "--matrix", "ggn", "--samples", "20"]);
        Assert.Equal("error: logdet: the ggn matrix of 20 samples has a rank of at most 200 and 2,410 parameters, so that it is singular and has no log-determinant. Add --damping L, which is added to every eigenvalue.", run.Message);
        Assert.DoesNotContain("Planned", run.Error, StringComparison.Ordinal);

        run = CommandRun.Of(["measure", "logdet", .. digits.Arguments]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("No --damping", run.Error, StringComparison.Ordinal);
        Assert.Contains("Use a damping well above", run.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("diagonal", "sum", "whole model", "error of the whole vector", "sum of squares")]
    [InlineData("norm", "frobenius norm", "95 % interval", "whole model")]
    [InlineData("norm --norm operator", "operator norm at least", "at most (99.0 % sure)")]
    [InlineData("norm --norm schatten --runs 2 --steps 20", "schatten-1 norm", "with half of the steps the value differs by")]
    [InlineData("logdet --damping 0.1 --runs 2 --steps 20", "log-determinant", "fc1")]
    [InlineData("eigs --estimator lobpcg --which largest --top 2", "eigenvalue", "converged")]
    public void Tables_say_what_they_show(string command, params string[] expected)
    {
        CommandRun run = CommandRun.Of(["measure", .. command.Split(' '), .. digits.Arguments, "--matrix", "ggn", "--per-layer"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.All(expected, word => Assert.Contains(word, run.Output, StringComparison.Ordinal));
    }

    private JsonElement Measure(string quantity, params string[] options)
    {
        CommandRun run = CommandRun.Of(["measure", quantity, .. digits.Arguments, "--matrix", "ggn", .. options, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run.Json();
    }

    private static Tensor Whole(string file, string what)
    {
        IReadOnlyDictionary<string, Tensor> arrays = NpzFile.Read(file);
        string[] order = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"];
        return cat([.. order.Select(name => arrays[$"{what}.{name}"].reshape(-1))]);
    }

    private static double[] Eigenvalues(Tensor matrix, long start, long length)
    {
        using DisposeScope scope = NewDisposeScope();
        return linalg.eigvalsh(matrix.narrow(0, start, length).narrow(1, start, length).contiguous()).data<double>().ToArray();
    }

    private static double Frobenius(double[] eigenvalues) => Math.Sqrt(eigenvalues.Sum(value => value * value));

    private static double LogDeterminant(double[] eigenvalues) => eigenvalues.Sum(value => Math.Log(value + Damping));

    private static string[] Names(JsonElement element) => [.. element.EnumerateObject().Select(member => member.Name)];

    private static string?[] Findings(JsonElement json) => [.. json.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString())];

    private static void AssertWithinError(double expected, JsonElement estimate, double more)
    {
        double error = Math.Abs(expected - estimate.GetProperty("value").GetDouble());
        Assert.InRange(error, 0, (4 * estimate.GetProperty("standard_error").GetDouble()) + more + (1e-12 * Math.Abs(expected)));
    }
}
