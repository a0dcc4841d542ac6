using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

public sealed class FunctionTraceTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("two points", 8)]
    [InlineData("decaying", 8)]
    [InlineData("flat", 8)]
    [InlineData("indefinite", 8)] // a single eigenvalue is a third of the sum
    [InlineData("indefinite", 16)]
    [InlineData("rank 5", 4)]
    public void Is_unbiased_and_its_interval_covers_as_often_as_it_says(string spectrum, int runs)
    {
        using DisposeScope scope = NewDisposeScope();
        double exact = Spectra.All[spectrum].Sum(Math.Exp);
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All[spectrum], 2);
        Estimate[] estimates = [.. Enumerable.Range(0, 400).Select(seed => new FunctionTrace { Steps = 8, MaxRuns = runs, Seed = seed }.Estimate(a, Math.Exp).Estimate)];
        DiagonalEstimatorTests.CheckStatistics(estimates, exact, $"{spectrum}, {runs} runs", output);
    }

    [Theory]
    [InlineData(240)] // e^240 cubed is beyond float64
    [InlineData(-240)]
    public void The_interval_scales_with_the_function(double exponent)
    {
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["flat"]);
        FunctionTrace trace = new() { Steps = 20, MinRuns = 4, MaxRuns = 4, Seed = 3 };
        Estimate plain = trace.Estimate(a, Math.Exp).Estimate, scaled = trace.Estimate(a, x => Math.Exp(x + exponent)).Estimate;
        ((double low, double high), (double scaledLow, double scaledHigh)) = (plain.ConfidenceInterval(), scaled.ConfidenceInterval());
        Assert.Equal(low / plain.Value, scaledLow / scaled.Value, 1e-9);
        Assert.Equal(high / plain.Value, scaledHigh / scaled.Value, 1e-9);
    }

    [Fact]
    public void Many_runs_extend_few_and_cost_what_they_say()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["flat"], 2);
        FunctionTrace few = new() { Steps = 10, MaxRuns = 8, Seed = 5 };
        FunctionEstimate eight = few.Estimate(a, Math.Exp), twenty = (few with { MaxRuns = 20 }).Estimate(a, Math.Exp);
        Assert.Equal((80, 200, 280), (eight.Estimate.Products, twenty.Estimate.Products, a.Products));
        Assert.Equal(eight.Rules.SelectMany(r => r.Nodes), twenty.Rules.Take(8).SelectMany(r => r.Nodes));
        Assert.Equal(20, twenty.Rules.Select(r => r.Nodes[0]).Distinct().Count());
        FunctionEstimate stopped = (few with { MaxRuns = 200, RelativeTolerance = 0.05 }).Estimate(a, Math.Exp);
        Assert.True(stopped.Estimate.Samples < 200 && stopped.Estimate.ConfidenceInterval() is var (low, high) && high - low <= 0.1 * stopped.Estimate.Value);
    }

    [Fact]
    public void The_quadrature_error_covers_what_too_few_steps_miss()
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = [.. Enumerable.Range(0, 100).Select(i => Math.Pow(10, -4.0 * i / 99))];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 2);
        foreach (int steps in (int[])[8, 16, 32])
        {
            // The same start vectors, with all the steps there are: what differs is the quadrature alone.
            FunctionTrace quadrature = new() { Steps = steps, MaxRuns = 8, Seed = 1 };
            FunctionEstimate rough = quadrature.Estimate(a, Math.Log), full = (quadrature with { Steps = 100 }).Estimate(a, Math.Log);
            double missed = Math.Abs(rough.Estimate.Value - full.Estimate.Value);
            output.WriteLine($"{steps} steps: off by {missed}, said {rough.QuadratureError}");
            Assert.InRange(rough.QuadratureError, 0.8 * missed, 100 * missed);
            Assert.Equal(0, full.QuadratureError);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(1e-8)]
    [InlineData(1e8)]
    public void The_log_determinant_agrees_with_the_eigenvalues_at_any_scale(double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string spectrum in (string[])["decaying", "rank 5", "flat", "indefinite"])
        {
            double damping = scale * (spectrum == "indefinite" ? 3.5 : 0.1);
            double[] eigenvalues = [.. Spectra.All[spectrum].Select(x => x * scale)];
            using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 2);
            FunctionEstimate estimate = new LogDeterminant { Damping = damping, Quadrature = new FunctionTrace { Steps = 40, Seed = 3 } }.Estimate(a);
            double exact = eigenvalues.Sum(x => Math.Log(x + damping));
            Assert.True(
                Math.Abs(estimate.Estimate.Value - exact) <= (4 * estimate.Estimate.StandardError) + estimate.QuadratureError + 1e-6, $"{exact} against {estimate}");
        }
    }

    [Fact]
    public void The_log_determinant_of_a_multiple_of_the_identity_is_exact()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(full(1000, 2.5, ScalarType.Float64, device: Here));
        FunctionEstimate estimate = new LogDeterminant { Damping = 0.5 }.Estimate(a);
        Assert.Equal(1000 * Math.Log(3), estimate.Estimate.Value, 1e-9);
        Assert.Equal((0.0, 16), (estimate.QuadratureError, estimate.Estimate.Products));
    }

    [Theory]
    [InlineData("indefinite", 0, "-2.9")]
    [InlineData("indefinite", 2, "-2.9")]
    [InlineData("rank 5", 0, "rounding")]
    [InlineData("zero", 0, "rounding")]
    public void The_log_determinant_names_the_eigenvalue_that_it_cannot_take(string spectrum, double damping, string named)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All[spectrum], 2);
        string message = Assert.Throws<CurvatureException>(() => new LogDeterminant { Damping = damping }.Estimate(a)).Message;
        Assert.Contains("positive definite", message, StringComparison.Ordinal);
        Assert.Contains("damping", message, StringComparison.Ordinal);
        Assert.Contains(named == "-2.9" ? "eigenvalue -" : named, message, StringComparison.Ordinal);
        Assert.InRange(a.Products, 1, named == "-2.9" ? 8 * 16 : 800); // as soon as it shows in one of eight runs, not after a hundred steps
    }

    [Theory]
    [InlineData("decaying")]
    [InlineData("rank 5")]
    [InlineData("two points")]
    public void The_effective_dimension_agrees_with_the_eigenvalues(string spectrum)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All[spectrum], 2);
        foreach (double damping in (double[])[0.01, 0.5, 20])
        {
            double exact = Spectra.All[spectrum].Sum(x => x / (x + damping));
            FunctionEstimate estimate = new EffectiveDimension { Damping = damping, Quadrature = new FunctionTrace { Steps = 50, Seed = 4 } }.Estimate(a);
            Assert.True(
                Math.Abs(estimate.Estimate.Value - exact) <= (4 * estimate.Estimate.StandardError) + estimate.QuadratureError + 1e-9, $"{exact} against {estimate.Estimate}");
        }

        using MatrixOperator indefinite = Matrices.OperatorWithSpectrum(Spectra.All["indefinite"]);
        Assert.Throws<CurvatureException>(() => new EffectiveDimension { Damping = 1 }.Estimate(indefinite));
        Assert.Throws<CurvatureException>(() => new EffectiveDimension { Damping = 0 }.Estimate(a));
    }

    [Fact]
    public void Progress_runs_on_over_chunks_and_a_function_without_a_value_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["indefinite"], 2);
        List<ProductProgress> told = [];
        new FunctionTrace { Steps = 5, MaxRuns = 10 }.Estimate(a, x => x, new ToldProgress(told.Add));
        Assert.Equal([8, 16, 24, 32, 40, 42, 44, 46, 48, 50], told.Select(p => p.Done));
        Assert.All(told, p => Assert.Equal(50, p.Total));
        Assert.Throws<NonFiniteException>(() => new FunctionTrace { Steps = 5 }.Estimate(a, Math.Log));
        Assert.Throws<CurvatureException>(() => new FunctionTrace { MaxRuns = 1 }.Estimate(a, x => x));
    }
}
