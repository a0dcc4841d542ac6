using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

/// <summary>What every diagonal estimator owes, over spectra made to order.</summary>
public sealed class DiagonalEstimatorTests(ITestOutputHelper output)
{
    public static TheoryData<string> Names => [.. KnownDiagonalEstimators.Names];

    public static TheoryData<string, string, ScalarType> Cases
    {
        get
        {
            TheoryData<string, string, ScalarType> cases = [];
            foreach (string name in KnownDiagonalEstimators.Names)
            {
                foreach (string spectrum in Spectra.All.Keys)
                {
                    cases.Add(name, spectrum, ScalarType.Float64);
                    cases.Add(name, spectrum, ScalarType.Float32);
                }
            }

            return cases;
        }
    }

    public static TheoryData<string, string> StatisticalCases
    {
        get
        {
            TheoryData<string, string> cases = [];
            foreach (string name in KnownDiagonalEstimators.Names)
            {
                foreach (string spectrum in (string[])["decaying", "power law", "flat", "indefinite"])
                {
                    cases.Add(name, spectrum);
                }
            }

            return cases;
        }
    }

    [Fact]
    public void The_catalogue_makes_every_one_and_names_them_when_asked_for_another()
    {
        Assert.All(KnownDiagonalEstimators.All, e => Assert.IsType(e.Type, KnownDiagonalEstimators.Create(e.Name)));
        string message = Assert.Throws<CurvatureException>(() => KnownDiagonalEstimators.Create("no-such")).Message;
        Assert.All(KnownDiagonalEstimators.Names, name => Assert.Contains(name, message, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_near_the_diagonal_in_both_precisions(string name, string spectrum, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = Matrices.WithSpectrum(Spectra.All[spectrum], 3, dtype);
        using MatrixOperator a = new(matrix);
        using DiagonalEstimate diagonal = Make(name, 24, 1).Estimate(a);
        Tensor error = diagonal.Values.sub(matrix.diagonal()).to(ScalarType.Float64);
        double rounding = (dtype == ScalarType.Float64 ? 1e-13 : 1e-5) * Spectra.All[spectrum].Max(Math.Abs);
        double squares = error.square().sum().ToDouble(), stated = diagonal.StandardErrors.to(ScalarType.Float64).square().sum().ToDouble();
        Assert.True(Math.Sqrt(squares) <= (2 * Math.Sqrt(stated)) + (10 * rounding), $"{Math.Sqrt(squares)} against {Math.Sqrt(stated)}");
        Assert.Equal(a.Products, diagonal.Products);
        Assert.InRange(diagonal.Products, 1, 24);
        Assert.Equal(dtype, diagonal.Values.dtype);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_exact_with_as_many_products_as_columns(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = Matrices.WithSpectrum(Spectra.All["indefinite"]);
        using MatrixOperator a = new(matrix);
        using DiagonalEstimate diagonal = Make(name, Spectra.Size, 0).Estimate(a);
        Assert.True(Matrices.RelativeDifference(diagonal.Values, matrix.diagonal()) < 1e-14);
        Assert.Equal((0.0, 0, 0.0), (diagonal.RelativeError, diagonal.Samples, diagonal[7].StandardError));
    }

    [Fact]
    public void XDiag_is_exact_once_products_reach_the_rank()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            double rounding = dtype == ScalarType.Float64 ? 1e-12 : 1e-5;
            Tensor matrix = Matrices.WithSpectrum(Spectra.All["rank 5"], 5, dtype);
            using MatrixOperator a = new(matrix);
            foreach (int products in (int[])[12, 13, 21, 52])
            {
                using DiagonalEstimate diagonal = new XDiag { MaxProducts = products, Seed = products }.Estimate(a);
                Assert.InRange(Matrices.RelativeDifference(diagonal.Values, matrix.diagonal()), 0, rounding);
                Assert.InRange(diagonal.RelativeError, 0, rounding);
            }
        }
    }

    [Theory]
    [InlineData("hutchinson", 0, 2.5)]
    [InlineData("xdiag", 0, 0)]
    public void Is_exact_on_zero_and_hutchinson_on_a_multiple_of_the_identity(string name, double zero, double multiple)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (double value in (double[])[zero, multiple])
        {
            using DiagonalOperator a = new(full(200, value, ScalarType.Float64, device: Here));
            using DiagonalEstimate diagonal = Make(name, 24, 2).Estimate(a);
            Assert.Equal(0, (diagonal.Values - value).abs().max().ToDouble(), 1e-12);
            Assert.Equal(0, diagonal.StandardErrors.max().ToDouble(), 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Scales_with_the_matrix(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            Tensor matrix = Matrices.WithSpectrum(Spectra.All["decaying"], 1, dtype);
            using MatrixOperator one = new(matrix);
            using DiagonalEstimate expected = Make(name, 24, 4).Estimate(one);
            foreach (double scale in (double[])[1e-8, 1e8])
            {
                using MatrixOperator scaled = new(matrix.mul(scale));
                using DiagonalEstimate actual = Make(name, 24, 4).Estimate(scaled);
                double tolerance = dtype == ScalarType.Float64 ? 1e-11 : 1e-4;
                Assert.InRange(Matrices.RelativeDifference(actual.Values.div(scale), expected.Values), 0, tolerance);
                Assert.InRange(Matrices.RelativeDifference(actual.StandardErrors.div(scale), expected.StandardErrors), 0, 10 * tolerance);
            }
        }
    }

    [Theory]
    [MemberData(nameof(StatisticalCases))]
    public void Is_unbiased_and_its_intervals_cover_as_often_as_they_say(string name, string spectrum)
    {
        using DisposeScope scope = NewDisposeScope();
        const int Seeds = 400;
        Tensor matrix = Matrices.WithSpectrum(Spectra.All[spectrum], 2), exact = matrix.diagonal();
        using MatrixOperator a = new(matrix);
        Tensor errors = zeros([Seeds, Spectra.Size], ScalarType.Float64, device: Here);
        double covered = 0, stated = 0;
        for (int seed = 0; seed < Seeds; seed++)
        {
            using DisposeScope inner = NewDisposeScope();
            using DiagonalEstimate diagonal = Make(name, 40, seed).Estimate(a);
            (Tensor low, Tensor high) = diagonal.ConfidenceIntervals();
            errors.select(0, seed).copy_(diagonal.Values.sub(exact));
            covered += Spectra.Size - low.sub(exact).gt(0).sum().ToDouble() - exact.sub(high).gt(0).sum().ToDouble();
            stated += diagonal.StandardErrors.square().sum().ToDouble();
        }

        double actual = errors.square().sum().ToDouble();
        Tensor bias = errors.sum(dim: 0).div(errors.square().sum(dim: 0).sqrt()); // in standard errors of the mean
        output.WriteLine($"{name} on {spectrum}: covered {covered / Seeds:f2} %, stated over actual variance {stated / actual:f3}, bias {bias.abs().max().ToDouble():f2}");
        Assert.InRange(covered / Seeds, 90, 99);
        Assert.InRange(stated / actual, 0.9, 1.2);
        Assert.InRange(bias.abs().max().ToDouble(), 0, 4.5); // the largest of 100
    }

    [Theory]
    [InlineData("decaying")]
    [InlineData("indefinite")]
    [InlineData("flat")]
    public void The_sum_of_squares_is_unbiased_and_its_interval_covers_as_often_as_it_says(string spectrum)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor matrix = Matrices.WithSpectrum(Spectra.All[spectrum], 2);
        using MatrixOperator a = new(matrix);
        double exact = matrix.diagonal().square().sum().ToDouble();
        Estimate[] estimates = [.. Enumerable.Range(0, 400).Select(seed =>
        {
            using DiagonalEstimate diagonal = new HutchinsonDiagonal { MaxProbes = 32, SumOfSquares = true, Seed = seed }.Estimate(a);
            return diagonal.SumOfSquares!;
        })];
        CheckStatistics(estimates, exact, spectrum);
    }

    [Fact]
    public void The_sum_of_squares_is_exact_from_unit_vectors_and_of_estimates_absent_unless_asked_for()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(tensor([1.0, -2, 3, 0.5, 0], device: Here));
        using DiagonalEstimate exact = new HutchinsonDiagonal { MaxProbes = 5 }.Estimate(a);
        using DiagonalEstimate sampled = new HutchinsonDiagonal { MaxProbes = 4, SumOfSquares = true }.Estimate(a), without = new HutchinsonDiagonal { MaxProbes = 4 }.Estimate(a);
        Assert.Equal(14.25, exact.SumOfSquares!.Value, 1e-14);
        Assert.Equal(0, exact.SumOfSquares.StandardError);
        Assert.Equal(14.25, sampled.SumOfSquares!.Value, 1e-12); // a diagonal matrix has no noise
        Assert.Null(without.SumOfSquares);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Stops_at_the_tolerance_and_not_before_the_minimum(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["power law"], 2);
        DiagonalEstimate Run(double? tolerance) => KnownDiagonalEstimators.Create(
            name, new EstimatorOptions { Products = 90, MinProbes = 10, RelativeTolerance = tolerance, Seed = 1 }).Estimate(a);
        using DiagonalEstimate loose = Run(100), tight = Run(1e-12), full = Run(null);
        Assert.InRange(loose.Samples, 10, 17);
        Assert.True(tight.Values.Equals(full.Values) && tight.StandardErrors.Equals(full.StandardErrors));
        Assert.Equal(90, full.Products);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Takes_matrices_that_are_not_symmetric(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(3);
        Tensor left = empty([Spectra.Size, 4], ScalarType.Float64).normal_(0, 1, generator).to(Here), right = empty([4, Spectra.Size], ScalarType.Float64).normal_(0, 1, generator).to(Here);
        Tensor matrix = left.mm(right);
        using MatrixOperator a = new(matrix);
        using DiagonalEstimate diagonal = Make(name, 60, 1).Estimate(a);
        double error = Matrices.RelativeDifference(diagonal.Values, matrix.diagonal());
        Assert.InRange(error, 0, (2 * diagonal.RelativeError) + 1e-12);
        Assert.True(name != "xdiag" || error < 1e-11);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reports_progress_can_be_cancelled_and_refuses_what_it_cannot_do(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["power law"]), wide = new(ones([3, 40], device: Here));
        using CancellationTokenSource source = new();
        int told = 0;
        ToldProgress progress = new(p =>
        {
            told++;
            source.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => Make(name, 48, 0).Estimate(a, progress, source.Token));
        Assert.Equal(1, told);
        Assert.Throws<CurvatureException>(() => Make(name, 24, 0).Estimate(wide));
        Assert.Throws<CurvatureException>(() => Make(name, 1, 0).Estimate(a));
        using DiagonalOperator nan = new(full(200, double.NaN, ScalarType.Float32, device: Here));
        Assert.Throws<NonFiniteException>(() => Make(name, 24, 0).Estimate(nan));
    }

    internal static void CheckStatistics(Estimate[] estimates, double exact, string what, ITestOutputHelper? output = null)
    {
        double spread = Math.Sqrt(estimates.Average(e => Math.Pow(e.Value - exact, 2))), bias = estimates.Average(e => e.Value) - exact;
        int covered = estimates.Count(e => e.ConfidenceInterval() is var (low, high) && low <= exact && exact <= high);
        string text = $"{what}: covered {covered} of {estimates.Length}, bias {bias / spread * Math.Sqrt(estimates.Length):f2} standard errors, sd {spread / exact:e2}, stated {Math.Sqrt(estimates.Average(e => e.StandardError * e.StandardError)) / exact:e2}";
        output?.WriteLine(text);
        Assert.True(Math.Abs(bias) <= 4 * spread / Math.Sqrt(estimates.Length), text);
        Assert.True(covered >= 0.90 * estimates.Length && covered <= 0.99 * estimates.Length, text);
    }

    private static IDiagonalEstimator Make(string name, int products, int seed) =>
        KnownDiagonalEstimators.Create(name, new EstimatorOptions { Products = products, Seed = seed });
}
