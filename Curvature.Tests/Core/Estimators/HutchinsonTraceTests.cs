using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

public sealed class HutchinsonTraceTests
{
    private static readonly double[] Spectrum = [.. Enumerable.Range(0, 60).Select(i => Math.Exp(-i / 8.0)), 4, 3, -1];

    [Fact]
    public void Is_exact_with_as_many_probes_as_columns()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using HessianOperator hessian = new(problem.Objective(4, 3));
        Tensor diagonal = hessian.ToDense().diagonal();
        TraceEstimate trace = new HutchinsonTrace { MaxProbes = (int)hessian.Columns }.Estimate(hessian);
        Assert.Equal(0, trace.Total.StandardError);
        Assert.Equal(diagonal.sum().ToDouble(), trace.Total.Value, 1e-12);
        Assert.Equal(["fc1", "fc2"], trace.Layers.Select(l => l.Name));
        Assert.Equal(diagonal.narrow(0, 0, trace.Layers[0].Parameters).sum().ToDouble(), trace.Layers[0].Trace.Value, 1e-12);
    }

    [Fact]
    public void Is_unbiased_with_the_stated_variance()
    {
        using DisposeScope scope = NewDisposeScope();
        using Tensor matrix = Matrices.WithSpectrum(Spectrum);
        using MatrixOperator a = new(matrix);
        const int Probes = 10, Repeats = 400;
        double[] values = [.. Enumerable.Range(0, Repeats).Select(seed => new HutchinsonTrace { MaxProbes = Probes, Seed = seed }.Estimate(a).Total.Value)];
        double variance = 2 * (matrix.square().sum().ToDouble() - matrix.diagonal().square().sum().ToDouble()) / Probes;
        double mean = values.Average(), spread = values.Sum(v => Math.Pow(v - mean, 2)) / (Repeats - 1);
        Assert.InRange(mean, Spectrum.Sum() - (4 * Math.Sqrt(variance / Repeats)), Spectrum.Sum() + (4 * Math.Sqrt(variance / Repeats)));
        Assert.InRange(spread / variance, 0.7, 1.35); // chi-square, 399 degrees of freedom: about +-4 standard errors
    }

    [Fact]
    public void The_interval_covers_as_often_as_it_says()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        int covered = Enumerable.Range(0, 400).Count(seed =>
        {
            (double low, double high) = new HutchinsonTrace { MaxProbes = 20, Seed = seed }.Estimate(a).Total.ConfidenceInterval();
            return low <= Spectrum.Sum() && Spectrum.Sum() <= high;
        });
        Assert.InRange(covered, 360, 396); // 90 to 99 %
    }

    [Fact]
    public void Layers_sum_to_the_total_and_more_probes_extend_the_earlier_ones()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv");
        using HessianOperator hessian = new(problem.Objective(4, 3));
        TraceEstimate trace = new HutchinsonTrace { MaxProbes = 13 }.Estimate(hessian);
        Assert.Equal(trace.Total.Value, trace.Layers.Sum(l => l.Trace.Value), 1e-12);
        Assert.Equal(hessian.Columns, trace.Layers.Sum(l => l.Parameters));
        Assert.Equal(13, trace.Total.Products);
        Assert.Equal(trace.Total, new HutchinsonTrace { MaxProbes = 13 }.Estimate(hessian).Total);
        Tensor five = Curvature.Tensors.Probes.Draw(Curvature.Tensors.ProbeKind.Rademacher, 9, 0, 5, 1, ScalarType.Float64, Here);
        Tensor two = Curvature.Tensors.Probes.Draw(Curvature.Tensors.ProbeKind.Rademacher, 9, 3, 2, 1, ScalarType.Float64, Here);
        Assert.True(five.narrow(1, 3, 2).Equals(two));
        Assert.Throws<CurvatureException>(() =>
            new HutchinsonTrace().Estimate(hessian, Curvature.Tensors.ParameterSpace.Of(problem.Model, "conv.*")));
    }

    [Fact]
    public void Stops_once_the_interval_is_narrow_enough_but_not_before_the_minimum()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        Estimate loose = new HutchinsonTrace { MaxProbes = 60, MinProbes = 16, RelativeTolerance = 10 }.Estimate(a).Total;
        Estimate tight = new HutchinsonTrace { MaxProbes = 60, MinProbes = 16, RelativeTolerance = 1e-9 }.Estimate(a).Total;
        Assert.Equal((16, 60), (loose.Samples, tight.Samples));
    }

    [Fact]
    public void Under_a_tolerance_samples_first_and_is_exact_only_where_sampling_would_take_longer()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        Estimate loose = new HutchinsonTrace { MaxProbes = 4096, RelativeTolerance = 10 }.Estimate(a).Total;
        Assert.Equal((16, 16), (loose.Samples, loose.Products));
        Estimate tight = new HutchinsonTrace { MaxProbes = 4096, RelativeTolerance = 1e-3 }.Estimate(a).Total;
        Assert.Equal((0.0, 16 + Spectrum.Length), (tight.StandardError, tight.Products));
        Assert.Equal(Spectrum.Sum(), tight.Value, 1e-12);
        Assert.Equal(a.Products, loose.Products + tight.Products);
    }

    [Fact]
    public void Has_no_error_on_a_diagonal_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(tensor(Spectrum, device: Here));
        Estimate trace = new HutchinsonTrace { MaxProbes = 4 }.Estimate(a).Total;
        Assert.Equal(Spectrum.Sum(), trace.Value, 1e-12);
        Assert.Equal(0, trace.StandardError, 1e-12);
    }
}
