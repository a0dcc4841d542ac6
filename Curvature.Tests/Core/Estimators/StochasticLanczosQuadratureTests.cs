using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

public sealed class StochasticLanczosQuadratureTests
{
    private static readonly double[] Spectrum =
        [.. Enumerable.Range(0, 150).Select(i => Math.Cos(i) / 10), .. Enumerable.Repeat(0.0, 40), 2, 3, 5, 5, -1];

    [Fact]
    public void Each_run_is_exact_for_polynomials_up_to_twice_its_steps_minus_one()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        const int Steps = 5, Runs = 3, Seed = 7;
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = Steps, Runs = Runs, Seed = Seed }.Estimate(a);
        Assert.Equal(Steps * Runs, density.Products);
        Assert.Equal(Steps * Runs, a.Products);
        Tensor starts = Curvature.Tensors.Probes.Draw(
            Curvature.Tensors.ProbeKind.Gaussian, a.Columns, 0, Runs, Seed, ScalarType.Float64, Here);
        for (int r = 0; r < Runs; r++)
        {
            Tensor q = starts.select(1, r), power = q.div(q.norm());
            Tensor start = power;
            for (int degree = 0; degree < 2 * Steps; degree++)
            {
                double expected = start.dot(power).ToDouble();
                Assert.Equal(expected, density.Runs[r].Integrate(x => Math.Pow(x, degree)), 1e-10 * Math.Pow(5, degree));
                power = a.Apply(power);
            }
        }
    }

    [Fact]
    public void The_cumulative_density_agrees_with_the_eigenvalues_within_its_error()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 100, Runs = 20, Seed = 1 }.Estimate(a);
        foreach (double x in (double[])[-2, -0.5, -0.05, 0.05, 1, 2.5, 4, 6])
        {
            double exact = Spectrum.Count(l => l <= x) / (double)Spectrum.Length;
            Estimate estimate = density.Cumulative(x);
            Assert.True(Math.Abs(estimate.Value - exact) <= (4 * estimate.StandardError) + 1e-6, $"{x}: {estimate} against {exact}");
        }

        Assert.Equal(1, density.Cumulative(6).Value, 1e-12);
        Assert.Equal(0, density.Cumulative(-2).Value);
    }

    [Fact]
    public void The_smoothed_density_integrates_to_one()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 30, Runs = 2 }.Estimate(a);
        double[] grid = density.Grid(4001);
        double step = grid[1] - grid[0];
        Assert.Equal(1, grid.Sum(density.Density) * step, 1e-3);
    }

    [Fact]
    public void Gives_one_node_an_eigenvalue_at_any_number_of_steps()
    {
        using DisposeScope scope = NewDisposeScope();
        double[] few = [50, 7, 1, 0.5, -2];
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            using MatrixOperator a = Matrices.OperatorWithSpectrum([.. few, .. Enumerable.Repeat(0.0, 95)], 0, dtype);
            SpectralDensity density = new StochasticLanczosQuadrature { Steps = 60, Runs = 2 }.Estimate(a);
            foreach (QuadratureRule run in density.Runs)
            {
                Assert.All(few, l => Assert.Single(run.Nodes, node => Math.Abs(node - l) < 0.01));
            }
        }
    }

    [Fact]
    public void Does_not_stop_early_on_a_large_matrix_with_a_small_bulk()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor d = randn(1_000_000).to(Here).abs().mul_(0.003);
        d.narrow(0, 0, 5).copy_(tensor([100f, 80f, 60f, 40f, 20f], device: Here));
        using DiagonalOperator a = new(d);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 25, Runs = 1 }.Estimate(a);
        Assert.Equal(25, density.Runs[0].Nodes.Length);
        Assert.Equal(100, density.Maximum, 1e-3);
    }

    [Fact]
    public void Handles_zero_and_identity()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (double value in (double[])[0, 2.5])
        {
            using DiagonalOperator a = new(full(30, value, ScalarType.Float64, device: Here));
            SpectralDensity density = new StochasticLanczosQuadrature { Steps = 10, Runs = 3 }.Estimate(a);
            Assert.All(density.Runs, run => Assert.Equal(value, Assert.Single(run.Nodes), 1e-12));
            Assert.Equal(1, density.Mass(value - 1, value + 1).Value);
        }
    }

    [Theory]
    [InlineData(1e-8)]
    [InlineData(1e8)]
    public void Scales_with_the_matrix(double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum), b = Matrices.OperatorWithSpectrum([.. Spectrum.Select(x => x * scale)]);
        StochasticLanczosQuadrature method = new() { Steps = 20, Runs = 2 };
        (SpectralDensity one, SpectralDensity scaled) = (method.Estimate(a), method.Estimate(b));
        Assert.Equal(one.KernelWidth, scaled.KernelWidth / scale, 1e-8);
        Assert.All(one.Runs[0].Nodes.Zip(scaled.Runs[0].Nodes), p => Assert.Equal(p.First, p.Second / scale, 1e-6));
    }
}
