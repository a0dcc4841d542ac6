using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

public sealed class NormTests(ITestOutputHelper output)
{
    public static TheoryData<string, ScalarType> Cases
    {
        get
        {
            TheoryData<string, ScalarType> cases = [];
            foreach (string spectrum in Spectra.All.Keys)
            {
                cases.Add(spectrum, ScalarType.Float64);
                cases.Add(spectrum, ScalarType.Float32);
            }

            return cases;
        }
    }

    [Theory]
    [InlineData("two points")]
    [InlineData("decaying")]
    [InlineData("flat")]
    [InlineData("indefinite")]
    public void Frobenius_is_unbiased_in_the_square_and_its_interval_covers_as_often_as_it_says(string spectrum)
    {
        using DisposeScope scope = NewDisposeScope();
        double exact = Spectra.All[spectrum].Sum(x => x * x);
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All[spectrum], 2);
        Estimate[] squares = [.. Enumerable.Range(0, 400).Select(seed => new FrobeniusNorm { MaxProbes = 30, Seed = seed }.Square(a))];
        DiagonalEstimatorTests.CheckStatistics(squares, exact, spectrum, output);
        int covered = Enumerable.Range(0, 400).Select(seed => new FrobeniusNorm { MaxProbes = 30, Seed = seed }.Estimate(a)).Count(e => e.ConfidenceInterval() is var (low, high) && low <= Math.Sqrt(exact) && Math.Sqrt(exact) <= high);
        Assert.InRange(covered, 360, 396);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void All_norms_agree_with_the_eigenvalues_and_scale_with_the_matrix(string spectrum, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = Spectra.All[spectrum];
        Tensor matrix = Matrices.WithSpectrum(eigenvalues, 3, dtype);
        double rounding = dtype == ScalarType.Float64 ? 1e-10 : 1e-4;
        foreach (double scale in (double[])[1, 1e-8, 1e8])
        {
            using MatrixOperator a = new(matrix.mul(scale));
            Estimate frobenius = new FrobeniusNorm { MaxProbes = 40, Seed = 1 }.Estimate(a);
            Near(Math.Sqrt(eigenvalues.Sum(x => x * x)), frobenius, 0, "frobenius");
            foreach (double p in (double[])[1, 2, 4])
            {
                FunctionEstimate schatten = new SchattenNorm { Order = p, Quadrature = new FunctionTrace { Steps = 40, MaxRuns = 8, Seed = 2 } }.Estimate(a);
                Near(Math.Pow(eigenvalues.Sum(x => Math.Pow(Math.Abs(x), p)), 1 / p), schatten.Estimate, schatten.QuadratureError, $"schatten {p}");
            }

            NormBound norm = new OperatorNorm { MaxSteps = 60, Seed = 3 }.Estimate(a);
            double largest = scale * eigenvalues.Max(Math.Abs);
            Assert.InRange(norm.Value, largest * (1 - 1e-3), largest * (1 + rounding));
            Assert.InRange(norm.UpperBound, largest * (1 - rounding), largest * 1.05);

            void Near(double exact, Estimate e, double quadrature, string what) => Assert.True(
                Math.Abs(e.Value - (scale * exact)) <= (4 * e.StandardError) + quadrature + (rounding * scale * exact), $"{what}: {exact} against {e} times {scale}");
        }
    }

    [Fact]
    public void Frobenius_is_exact_from_the_thinner_side()
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(1);
        Tensor matrix = empty([7, 40], ScalarType.Float64).normal_(0, 1, generator).to(Here);
        using MatrixOperator wide = new(matrix), tall = new(matrix.t().contiguous());
        double exact = Math.Sqrt(matrix.square().sum().ToDouble());
        foreach (MatrixOperator a in (MatrixOperator[])[wide, tall])
        {
            Estimate norm = new FrobeniusNorm { MaxProbes = 7 }.Estimate(a);
            Assert.Equal((7, 0.0), (norm.Products, norm.StandardError));
            Assert.Equal(exact, norm.Value, 1e-12);
        }
    }

    [Fact]
    public void Frobenius_does_not_leave_the_range_of_float32()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (double entry in (double[])[1e-30, 1e30])
        {
            using DiagonalOperator a = new(full(100, entry, ScalarType.Float32, device: Here));
            Assert.Equal(10, new FrobeniusNorm { MaxProbes = 10 }.Estimate(a).Value / entry, 1e-5);
        }
    }

    [Fact]
    public void Frobenius_stops_at_the_tolerance()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["flat"], 2);
        Estimate norm = new FrobeniusNorm { MaxProbes = 90, MinProbes = 8, RelativeTolerance = 0.05 }.Estimate(a);
        Assert.InRange(norm.Samples, 8, 60);
        Assert.True(norm.ConfidenceInterval().High - norm.Value <= 0.05 * norm.Value);
    }

    [Theory]
    [InlineData(9, 30)]
    [InlineData(30, 9)]
    [InlineData(20, 20)]
    public void Norms_of_a_matrix_that_is_not_symmetric_are_those_of_its_singular_values(int rows, int columns)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(1);
        Tensor matrix = empty([rows, columns], ScalarType.Float64).normal_(0, 1, generator).to(Here);
        double[] singular = linalg.svdvals(matrix).cpu().data<double>().ToArray();
        using MatrixOperator a = new(matrix);
        NormBound norm = new OperatorNorm().Estimate(a);
        Assert.Equal(singular[0], norm.Value, 1e-9);
        Assert.Equal(singular[0], norm.UpperBound, 1e-9);
        Assert.Equal(a.Products, norm.Products);
        FunctionEstimate nuclear = new SchattenNorm { Quadrature = new FunctionTrace { MaxRuns = 64, Seed = 1 } }.Estimate(a);
        Assert.InRange(Math.Abs(nuclear.Estimate.Value - singular.Sum()), 0, (4 * nuclear.Estimate.StandardError) + nuclear.QuadratureError);
    }

    [Theory]
    [InlineData("flat", 0.9, null)]
    [InlineData("flat", 0.5, 0.3)]
    [InlineData("indefinite", 0.9, null)]
    [InlineData("power law", 0.99, 0.5)]
    [InlineData("two points", 0.5, null)]
    public void The_operator_norm_lies_between_its_bounds_as_often_as_it_says(string spectrum, double probability, double? tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        double exact = Spectra.All[spectrum].Max(Math.Abs);
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All[spectrum], 2);
        NormBound[] bounds = [.. Enumerable.Range(0, 200).Select(seed => new OperatorNorm { MaxSteps = 12, Probability = probability, RelativeTolerance = tolerance, Seed = seed }.Estimate(a))];
        Assert.All(bounds, b => Assert.True(b.Value <= exact * (1 + 1e-12)));
        int held = bounds.Count(b => exact <= b.UpperBound * (1 + 1e-12));
        output.WriteLine($"{held} of {bounds.Length}, upper bound at {bounds.Average(b => b.UpperBound) / exact} of the norm");
        Assert.True(held >= probability * bounds.Length);
    }

    [Fact]
    public void The_operator_norms_bounds_close_up_with_the_steps()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor d = tensor(Enumerable.Range(0, 100_000).Select(i => -1 + (4 * i / 99_999.0)).ToArray(), device: Here);
        using DiagonalOperator a = new(d);
        NormBound few = new OperatorNorm { MaxSteps = 20 }.Estimate(a), many = new OperatorNorm { MaxSteps = 80 }.Estimate(a);
        NormBound stopped = new OperatorNorm { MaxSteps = 200, RelativeTolerance = 0.05 }.Estimate(a);
        Assert.True(many.UpperBound - many.Value < 0.1 * (few.UpperBound - few.Value));
        Assert.InRange(3, many.Value, many.UpperBound);
        Assert.True(stopped.Products < 80 && stopped.UpperBound - stopped.Value <= 0.05 * stopped.Value, $"{stopped}");
    }

    [Fact]
    public void The_operator_norm_of_zero_is_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(zeros(50, ScalarType.Float32, device: Here));
        NormBound norm = new OperatorNorm().Estimate(a);
        Assert.Equal((0, 0, 1), (norm.Value, norm.UpperBound, norm.Products));
    }

    [Fact]
    public void Settings_out_of_range_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(ones(50, device: Here));
        Assert.Throws<CurvatureException>(() => new FrobeniusNorm { MaxProbes = 0 }.Estimate(a));
        Assert.Throws<CurvatureException>(() => new SchattenNorm { Order = 0 }.Estimate(a));
        Assert.Throws<CurvatureException>(() => new OperatorNorm { Probability = 1 }.Estimate(a));
        Assert.Throws<CurvatureException>(() => new OperatorNorm { MaxSteps = 0 }.Estimate(a));
    }
}
