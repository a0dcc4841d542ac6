using System.Text.Json;
using Curvature.Cli;
using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Core;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>What the command measures of the digits checkpoint, against all 2,410 x 2,410 entries of its Hessian.</summary>
public class DigitsAgreementTests(DigitsHessianTests.Digits exact) : IClassFixture<DigitsHessianTests.Digits>
{
    private double Largest => exact.Eigenvalues[^1];

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(42)]
    public void Measure_trace_is_that_estimate(int seed)
    {
        using var matrix = new MatrixOperator(exact.Dense);
        Estimate expected = new HutchinsonTrace { Seed = seed }.Estimate(matrix).Total;
        JsonElement trace = Measure("trace", "--dtype", "float64", "--seed", $"{seed}").GetProperty("trace");
        Assert.Equal(expected.Value, trace.GetProperty("value").GetDouble(), 1e-8 * expected.Value);
        Assert.Equal(expected.StandardError, trace.GetProperty("standard_error").GetDouble(), 1e-6 * expected.StandardError);
    }

    [Theory]
    [InlineData("float64")]
    [InlineData("float32")]
    public void Measure_eigs_finds_the_top_five_within_their_residuals(string dtype)
    {
        JsonElement[] found = [.. Measure("eigs", "--top", "5", "--dtype", dtype).GetProperty("eigenvalues").EnumerateArray()];
        double[] expected = [.. exact.Eigenvalues.OrderByDescending(Math.Abs).Take(5)];
        Assert.Equal(5, found.Length);
        foreach ((JsonElement eigenvalue, double value) in found.Zip(expected))
        {
            double error = Math.Abs(eigenvalue.GetProperty("value").GetDouble() - value);
            Assert.True(eigenvalue.GetProperty("converged").GetBoolean());
            Assert.InRange(error, 0, 1e-4 * Math.Abs(value));

            // Float32 weights are exact in float64: what differs is rounding of the products, some 1e-6 of the largest eigenvalue.
            Assert.InRange(error, 0, eigenvalue.GetProperty("residual").GetDouble() + (dtype == "float32" ? 1e-5 * Largest : 0));
        }
    }

    [Fact]
    public void Measure_eigs_finds_the_most_negative_curvature()
    {
        JsonElement smallest = Measure("eigs", "--top", "1", "--which", "smallest").GetProperty("eigenvalues")[0];
        Assert.Equal(exact.Eigenvalues[0], smallest.GetProperty("value").GetDouble(), 1e-5 * Largest);
    }

    [Fact]
    public void Measure_density_has_the_cumulative_spectrum_within_2_percent()
    {
        JsonElement density = Measure("density").GetProperty("density");
        (double Node, double Weight)[][] runs =
        [
            .. density.GetProperty("runs").EnumerateArray().Select(run => Numbers(run, "nodes").Zip(Numbers(run, "weights")).ToArray()),
        ];
        foreach (double x in Thresholds())
        {
            double measured = runs.Average(run => run.Where(pair => pair.Node <= x).Sum(pair => pair.Weight));
            double expected = exact.Eigenvalues.Count(eigenvalue => eigenvalue <= x) / (double)exact.Eigenvalues.Length;
            Assert.True(Math.Abs(measured - expected) <= 0.02, FormattableString.Invariant($"At {x:g4}: {measured:f4} instead of {expected:f4}."));
        }
    }

    /// <summary>100 points of either sign, from a thousandth of the largest eigenvalue on, equally spaced in their logarithm.</summary>
    private IEnumerable<double> Thresholds() =>
        Enumerable.Range(0, 100).Select(i => Largest * Math.Pow(10, -3 + (3 * i / 99.0))).SelectMany(x => (double[])[x, -x]);

    private static double[] Numbers(JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(number => number.GetDouble())];

    private static JsonElement Measure(string quantity, params string[] options)
    {
        CommandRun run = CommandRun.Of(["measure", quantity, .. CommandRun.Digits, .. options, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run.Json();
    }
}
