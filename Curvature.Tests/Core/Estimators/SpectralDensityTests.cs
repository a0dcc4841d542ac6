using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

public sealed class SpectralDensityTests(ITestOutputHelper output)
{
    private const int Seeds = 50;

    private static readonly double[] Spectrum = [.. Enumerable.Range(0, 120).Select(i => Math.Cos(i)), 2, 3, 5, -4];

    [Theory]
    [InlineData(8)]
    [InlineData(16)]
    public void Shares_of_many_and_of_single_eigenvalues_are_unbiased_and_covered_as_often_as_they_say(int runs)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = [-2, 9, 4, 4, .. Enumerable.Repeat(1.0, 56), .. new double[40]]; // a run ends after five steps, and is exact
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 5);
        SpectralDensity[] densities = [.. Enumerable.Range(0, 400).Select(seed => new StochasticLanczosQuadrature { Runs = runs, Steps = 10, KernelWidth = 0.5, Seed = seed }.Estimate(a))];
        void Check(string what, double exact, Func<SpectralDensity, Estimate> of) => DiagonalEstimatorTests.CheckStatistics([.. densities.Select(of)], exact, what, output);
        Check("negative", 0.01, d => d.NegativeMass());
        Check("largest", 0.01, d => d.Mass(5, 20));
        Check("outliers", 0.03, d => d.Mass(2, 20));
        Check("zero", 0.4, d => d.Mass(-0.5, 0.5));
        Check("below the outliers", 0.97, d => d.Cumulative(2));
        Check("exponential", eigenvalues.Sum(Math.Exp), d => d.Trace(Math.Exp));
        Check("height", eigenvalues.Average(x => Math.Exp(-0.5 * Math.Pow((x - 1.2) / 0.5, 2)) / (0.5 * Math.Sqrt(2 * Math.PI))), d => d.DensityAt(1.2));
        Assert.All(densities, d =>
        {
            (double low, double high) = d.Mass(20, 30).ConfidenceInterval(); // nothing seen
            Assert.Equal(0, low, 1e-12);
            Assert.InRange(high * 100, 1e-3, 8.0 / runs);
        });
    }

    [Fact]
    public void Bands_cover_a_crowd_that_the_runs_cannot_tell_apart_as_often_as_they_say()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        double[] x = [-2, -0.8, -0.3, 0.1, 0.4, 0.9, 2.5, 4];
        double[] exact = [.. x.Select(at => Spectrum.Count(l => l <= at) / (double)Spectrum.Length)];
        int[] covered = new int[x.Length];
        for (int seed = 0; seed < Seeds; seed++)
        {
            ConfidenceBand band = new StochasticLanczosQuadrature { Steps = 40, Runs = 8, Seed = seed }.Estimate(a).CumulativeBand(x);
            for (int i = 0; i < x.Length; i++)
            {
                covered[i] += band.Low[i] <= exact[i] && exact[i] <= band.High[i] ? 1 : 0;
            }

            Assert.All(band.Low.Zip(band.High), b => Assert.True(b.First >= 0 && b.Second <= 1 && b.First <= b.Second));
        }

        output.WriteLine($"covered {string.Join(", ", covered)} of {Seeds}");
        Assert.InRange(covered.Sum() / (double)(Seeds * x.Length), 0.90, 0.99);
    }

    [Fact]
    public void A_band_holds_the_density_and_narrows_with_the_runs()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        SpectralDensity few = new StochasticLanczosQuadrature { Steps = 40, Runs = 4, KernelWidth = 0.2 }.Estimate(a);
        SpectralDensity many = new StochasticLanczosQuadrature { Steps = 40, Runs = 64, KernelWidth = 0.2 }.Estimate(a);
        double[] grid = few.Grid(101);
        ConfidenceBand wide = few.DensityBand(grid), narrow = many.DensityBand(grid);
        double Width(ConfidenceBand band) => band.High.Zip(band.Low, (h, l) => h - l).Sum();
        Assert.Equal(grid.Select(few.Density), wide.Value);
        Assert.Equal(0.2, few.KernelWidth);
        Assert.InRange(Width(narrow) / Width(wide), 0.05, 0.4);
        Assert.Equal(wide.Value[50], few.DensityAt(grid[50]).Value, 1e-14);
        SpectralDensity single = new StochasticLanczosQuadrature { Steps = 40, Runs = 1 }.Estimate(a);
        Assert.Throws<CurvatureException>(() => single.DensityBand(grid));
    }

    [Fact]
    public void Stops_once_the_cumulative_density_is_known_well_enough()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        StochasticLanczosQuadrature method = new() { Steps = 20, Runs = 40, Seed = 2 };
        SpectralDensity all = method.Estimate(a);
        List<ProductProgress> told = [];
        SpectralDensity some = (method with { CumulativeTolerance = 0.05 }).Estimate(a, new ToldProgress(told.Add));
        Assert.InRange(some.Runs.Count, 5, 39);
        Assert.Equal(0, some.Runs.Count % 4);
        Assert.All(all.Runs.Zip(some.Runs), runs => Assert.Equal(runs.First.Nodes, runs.Second.Nodes, (x, y) => Math.Abs(x - y) < 1e-9));
        Assert.All(some.Runs[0].Nodes.Where(node => Math.Abs(node) > 0.06), node => Assert.True(some.Cumulative(node).ConfidenceInterval() is var (low, high) && high - low <= 0.1 + 1e-12));
        Assert.Equal((some.Products, 800), (told[^1].Done, told[^1].Total));
        Assert.Equal(40, (method with { CumulativeTolerance = 1e-9 }).Estimate(a).Runs.Count);
        Assert.Throws<CurvatureException>(() => (method with { CumulativeTolerance = 0 }).Estimate(a));
    }

    [Fact]
    public void The_negative_mass_counts_what_lies_beyond_the_pile_at_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = [5, 1, -1, -0.5, -1e-9, .. new double[95]];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 1);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 30, Runs = 40 }.Estimate(a);
        Estimate mass = density.NegativeMass();
        Assert.InRange(mass.Value, 0.02 - (4 * mass.StandardError), 0.02 + (4 * mass.StandardError));
        Assert.InRange(mass.StandardError, 1e-4, 0.01);
        Assert.Equal(density.Cumulative(-0.75), density.NegativeMass(0.75));
    }

    [Fact]
    public void The_logarithmic_density_spreads_the_pile_at_zero_out()
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = [.. Enumerable.Repeat(1e-4, 60), .. Enumerable.Repeat(-1e-2, 30), .. Enumerable.Repeat(1.0, 10)];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 1);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 30, Runs = 30 }.Estimate(a), log = density.Logarithmic(1e-8);
        foreach ((double decade, double share) in (IEnumerable<(double, double)>)[(-4, 0.6), (-2, 0.3), (0, 0.1)])
        {
            Estimate mass = log.Mass(decade - 0.5, decade + 0.5);
            Assert.InRange(mass.Value, share - (4 * mass.StandardError), share + (4 * mass.StandardError));
        }

        double[] grid = log.Grid(2001);
        Assert.Equal(1, grid.Sum(log.Density) * (grid[1] - grid[0]), 1e-3);
        Assert.Equal(0.3, density.Logarithmic(1e-8, 0.3).KernelWidth);
        Assert.All(log.Runs, run => Assert.Equal(run.Nodes.Order(), run.Nodes));
        Assert.Throws<CurvatureException>(() => density.Logarithmic(0));
    }

    [Fact]
    public void The_logarithmic_density_moves_with_the_scale()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum), b = Matrices.OperatorWithSpectrum([.. Spectrum.Select(x => 1e6 * x)]);
        StochasticLanczosQuadrature method = new() { Steps = 20, Runs = 2 };
        SpectralDensity one = method.Estimate(a).Logarithmic(), scaled = method.Estimate(b).Logarithmic();
        Assert.Equal(one.KernelWidth, scaled.KernelWidth, 1e-8);
        Assert.Equal(one.Density(-0.5), scaled.Density(5.5), 1e-8);
    }

    [Fact]
    public void Traces_of_functions_come_from_the_same_runs()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectrum);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 20, Runs = 8, Seed = 3 }.Estimate(a);
        Estimate expected = new FunctionTrace { Steps = 20, MaxRuns = 8, Seed = 3 }.Estimate(a, Math.Exp).Estimate;
        Assert.Equal(expected, density.Trace(Math.Exp));
    }

    [Fact]
    public void More_steps_than_managed_code_takes_give_the_same_rule()
    {
        double[] alpha = [.. Enumerable.Range(0, 600).Select(i => Math.Sin(i))], beta = [.. Enumerable.Range(0, 599).Select(i => 1 + (0.5 * Math.Cos(i)))];
        QuadratureRule rule = QuadratureRule.Gauss(alpha, beta);
        using DisposeScope scope = NewDisposeScope();
        Tensor t = tensor(alpha, device: Here).diag().add(tensor(beta, device: Here).diag(1)).add(tensor(beta, device: Here).diag(-1));
        Tensor power = eye(600, 600, ScalarType.Float64, device: Here).select(1, 0).clone(), first = power;
        for (int degree = 0; degree < 8; degree++)
        {
            Assert.Equal(first.dot(power).ToDouble(), rule.Integrate(x => Math.Pow(x, degree)), 1e-9 * Math.Pow(4, degree));
            power = t.mv(power);
        }
    }
}
