using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

/// <summary>What an approximation at hand is good for: as a control variate, and how far it is from the matrix.</summary>
public sealed class ApproximationTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_control_variate_is_unbiased_and_its_interval_covers_as_often_as_it_says(bool fit)
    {
        using DisposeScope scope = NewDisposeScope();
        (MatrixOperator a, MatrixOperator b) = Pair(factor: 1);
        Estimate[] estimates = [.. Enumerable.Range(0, 400).Select(seed =>
            new ControlVariateTrace(b) { MaxProbes = 20, FitCoefficient = fit, Seed = seed }.Estimate(a).Total)];
        DiagonalEstimatorTests.CheckStatistics(estimates, a.ExactTrace!.Value, fit ? "fitted" : "plain", output);
    }

    [Fact]
    public void A_good_approximation_saves_probes_and_a_fitted_coefficient_mends_its_scale()
    {
        using DisposeScope scope = NewDisposeScope();
        (MatrixOperator a, MatrixOperator b) = Pair(factor: 1);
        (_, MatrixOperator scaled) = Pair(factor: 5);
        double Error(ITraceEstimator e) => e.Estimate(a).Total.StandardError;
        using DiagonalOperator zero = new(zeros(Spectra.Size, ScalarType.Float64, device: Here));
        double hutchinson = Error(new HutchinsonTrace { MaxProbes = 40 });
        double plain = Error(new ControlVariateTrace(b) { MaxProbes = 40 });
        double wrong = Error(new ControlVariateTrace(scaled) { MaxProbes = 40 });
        double mended = Error(new ControlVariateTrace(scaled) { MaxProbes = 40, FitCoefficient = true });
        Assert.True(plain < 0.2 * hutchinson, $"{plain}, {hutchinson}");
        Assert.True(wrong > 2 * hutchinson, $"{wrong}, {hutchinson}");
        Assert.True(mended < 0.25 * hutchinson, $"{mended}, {hutchinson}");
        Assert.Equal(new HutchinsonTrace { MaxProbes = 40 }.Estimate(a).Total.Value, new ControlVariateTrace(zero) { MaxProbes = 40 }.Estimate(a).Total.Value, 1e-12);
    }

    [Fact]
    public void The_matrix_itself_or_the_identity_as_a_control_variate()
    {
        using DisposeScope scope = NewDisposeScope();
        (MatrixOperator a, _) = Pair(1);
        Estimate itself = new ControlVariateTrace(a) { MaxProbes = 20 }.Estimate(a).Total;
        Assert.Equal(a.ExactTrace!.Value, itself.Value, 1e-12);
        Assert.Equal(0, itself.StandardError, 1e-12);
        using DiagonalOperator identity = new(ones(100, ScalarType.Float64, device: Here));
        Estimate flat = new ControlVariateTrace(identity) { MaxProbes = 20, FitCoefficient = true }.Estimate(a).Total;
        Assert.Equal(new HutchinsonTrace { MaxProbes = 20 }.Estimate(a).Total.Value, flat.Value, 1e-12);
    }

    [Fact]
    public void A_kronecker_model_is_a_control_variate_without_being_multiplied_out()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator left = Matrices.OperatorWithSpectrum([3, 2, 1, 0.5, 0.1], 1), right = Matrices.OperatorWithSpectrum([5, 1, 0.2, 0.1], 2);
        using KroneckerOperator model = new(left, right);
        using MatrixOperator rest = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 20).Select(i => 0.3 * Math.Cos(i))], 3), a = new((model + rest).ToDense());
        double exact = a.ExactTrace!.Value;
        Estimate with = new ControlVariateTrace(model) { MaxProbes = 19 }.Estimate(a).Total, without = new HutchinsonTrace { MaxProbes = 19 }.Estimate(a).Total;
        Assert.InRange(exact, with.Value - (4 * with.StandardError), with.Value + (4 * with.StandardError));
        Assert.True(with.StandardError < 0.2 * without.StandardError, $"{with} against {without}");
        ErrorBound bound = new ApproximationError { Probes = 64 }.Estimate(a, model);
        Assert.InRange(Math.Sqrt(rest.ToDense().square().sum().ToDouble()), bound.Low, bound.High);
    }

    [Fact]
    public void An_approximation_without_a_trace_or_of_another_shape_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        (MatrixOperator a, _) = Pair(1);
        Assert.Throws<CurvatureException>(() => new ControlVariateTrace(a * a).Estimate(a));
        using DiagonalOperator small = new(ones(10, ScalarType.Float64, device: Here));
        Assert.Throws<CurvatureException>(() => new ControlVariateTrace(small).Estimate(a));
        Assert.Throws<CurvatureException>(() => new ApproximationError().Estimate(a, small));
        Assert.Throws<CurvatureException>(() => new ApproximationError { Probes = 1 }.Estimate(a, a));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(50)]
    public void The_errors_interval_holds_as_often_as_it_says_whatever_the_rank(int rank)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = Matrices.WithSpectrum(Spectra.All["power law"], 1);
        using MatrixOperator b = new(matrix);
        using MatrixOperator a = new(matrix.add(Matrices.WithSpectrum([.. Enumerable.Repeat(0.1, rank), .. new double[Spectra.Size - rank]], 7)));
        double exact = 0.1 * Math.Sqrt(rank), whole = Math.Sqrt(a.ToDense().square().sum().ToDouble());
        ErrorBound[] bounds = [.. Enumerable.Range(0, 400).Select(seed => new ApproximationError { Probes = 20, Seed = seed }.Estimate(a, b))];
        int held = bounds.Count(e => e.Low <= exact && exact <= e.High);
        output.WriteLine($"held {held} of 400, interval {bounds.Average(e => e.Low) / exact:f3} to {bounds.Average(e => e.High) / exact:f3}");
        Assert.True(held >= 380);
        Assert.All(bounds, e => Assert.True(e.Low < e.Norm.Value && e.Norm.Value < e.High && e.High < 3 * e.Low));
        Assert.InRange(bounds.Average(e => e.Relative.Value) / (exact / whole), 0.93, 1.07);
        int relative = bounds.Count(e => Math.Abs(e.Relative.Value - (exact / whole)) <= 4 * e.Relative.StandardError);
        Assert.InRange(relative, 380, 400);
    }

    [Theory]
    [InlineData(4, 0.05)]
    [InlineData(32, 0.05)]
    [InlineData(1000, 0.001)]
    public void The_margins_solve_the_bounds(int q, double risk)
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(ones(3, ScalarType.Float64, device: Here)), b = new(zeros(3, ScalarType.Float64, device: Here));
        ErrorBound bound = new ApproximationError { Probes = q, Probability = 1 - risk }.Estimate(a, b);
        (double below, double above) = (1 - Math.Pow(bound.Norm.Value / bound.High, 2), Math.Pow(bound.Norm.Value / bound.Low, 2) - 1);
        Assert.Equal(risk / 2, Math.Pow(Math.Exp(below) * (1 - below), q / 2.0), 1e-9);
        Assert.Equal(risk / 2, Math.Pow(Math.Exp(-above) * (1 + above), q / 2.0), 1e-9);
    }

    [Fact]
    public void Nothing_is_missing_from_an_exact_model()
    {
        using DisposeScope scope = NewDisposeScope();
        (MatrixOperator a, _) = Pair(1);
        ErrorBound bound = new ApproximationError().Estimate(a, a);
        Assert.Equal((0.0, 0.0, 0.0, 0.0), (bound.Norm.Value, bound.Low, bound.High, bound.Relative.Value));
    }

    /// <summary>A matrix and <paramref name="factor"/> times another that is 10 % off it.</summary>
    private static (MatrixOperator A, MatrixOperator B) Pair(double factor)
    {
        Tensor matrix = Matrices.WithSpectrum(Spectra.All["decaying"], 1), noise = Matrices.WithSpectrum(Spectra.All["indefinite"], 9);
        Tensor near = matrix.add(noise.mul(0.02));
        return (new MatrixOperator(matrix), new MatrixOperator(near.mul(factor)));
    }
}
