using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

/// <summary>What every trace estimator owes, over spectra made to order.</summary>
public sealed class TraceEstimatorTests(ITestOutputHelper output)
{
    private const int Size = Reference.Spectra.Size, Seeds = 400;

    private static readonly IReadOnlyDictionary<string, double[]> Spectra = Reference.Spectra.All;

    public static TheoryData<string> Names => [.. KnownTraceEstimators.Names];

    public static TheoryData<string, string, ScalarType> Cases
    {
        get
        {
            TheoryData<string, string, ScalarType> cases = [];
            foreach (string name in KnownTraceEstimators.Names)
            {
                foreach (string spectrum in Spectra.Keys.Where(s => Takes(name, s)))
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
            foreach (string name in KnownTraceEstimators.Names)
            {
                foreach (string spectrum in (string[])["two points", "decaying", "power law", "flat", "indefinite"])
                {
                    if (Takes(name, spectrum))
                    {
                        cases.Add(name, spectrum);
                    }
                }
            }

            return cases;
        }
    }

    [Fact]
    public void The_catalogue_makes_every_one_and_names_them_when_asked_for_another()
    {
        Assert.All(KnownTraceEstimators.All, e => Assert.IsType(e.Type, KnownTraceEstimators.Create(e.Name)));
        string message = Assert.Throws<CurvatureException>(() => KnownTraceEstimators.Create("no-such")).Message;
        Assert.All(KnownTraceEstimators.Names, name => Assert.Contains(name, message, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_within_its_error_in_both_precisions(string name, string spectrum, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = Spectra[spectrum];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 3, dtype);
        Estimate trace = Make(name, 24, 1).Estimate(a).Total;
        output.WriteLine($"{eigenvalues.Sum()} {trace}");
        double rounding = (dtype == ScalarType.Float64 ? 1e-12 : 1e-5) * eigenvalues.Sum(Math.Abs);
        Assert.InRange(trace.Value, eigenvalues.Sum() - (4 * trace.StandardError) - rounding, eigenvalues.Sum() + (4 * trace.StandardError) + rounding);
        Assert.InRange(trace.Products, 1, 24);
        Assert.Equal(a.Products, trace.Products);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_exact_with_as_many_products_as_columns(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = Spectra["indefinite"];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues);
        Estimate trace = Make(name, Size, 0).Estimate(a).Total;
        Assert.Equal(0, trace.StandardError);
        Assert.Equal(eigenvalues.Sum(), trace.Value, 1e-12);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Under_a_tolerance_spends_fewer_products_than_columns_where_they_suffice(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = Spectra["decaying"];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues);
        ITraceEstimator Within(double tolerance) =>
            KnownTraceEstimators.Create(name, new EstimatorOptions { Products = 4096, MinProbes = 8, RelativeTolerance = tolerance });
        Estimate loose = Within(0.8).Estimate(a).Total;
        Assert.InRange(loose.Products, 1, Size / 2);
        Estimate tight = Within(1e-13).Estimate(a).Total;
        Assert.Equal(0, tight.StandardError);
        Assert.Equal(eigenvalues.Sum(), tight.Value, 1e-12);
        Assert.Equal(a.Products, loose.Products + tight.Products);
    }

    [Theory]
    [InlineData("hutch++", 15)]
    [InlineData("xtrace", 12)]
    [InlineData("xnystrace", 6)]
    public void Is_exact_once_products_reach_the_rank(string name, int products)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] eigenvalues = Spectra["rank 5"];
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            double rounding = dtype == ScalarType.Float64 ? 1e-12 : 1e-5;
            using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, 5, dtype);
            foreach (int more in (int[])[0, 1, 9, 40])
            {
                Estimate trace = Make(name, products + more, more).Estimate(a).Total;
                Assert.InRange(trace.Value / eigenvalues.Sum(), 1 - rounding, 1 + rounding);
                Assert.InRange(trace.StandardError / eigenvalues.Sum(), 0, rounding);
            }
        }
    }

    [Theory]
    [InlineData("hutchinson")]
    [InlineData("xtrace")]
    [InlineData("xnystrace")]
    public void Is_exact_on_a_multiple_of_the_identity(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(full(1000, 2.5, ScalarType.Float64, device: Here));
        Estimate trace = Make(name, 24, 2).Estimate(a).Total;
        Assert.Equal(2500, trace.Value, 1e-9);
        Assert.Equal(0, trace.StandardError, 1e-9);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_zero_on_the_zero_matrix(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(zeros(50, ScalarType.Float32, device: Here));
        Estimate trace = Make(name, 24, 2).Estimate(a).Total;
        Assert.Equal((0, 0), (trace.Value, trace.StandardError));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Scales_with_the_matrix(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        string[] spectra = ["rank 5", "decaying", "two points"];
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            foreach (double[] eigenvalues in spectra.Select(s => Spectra[s]))
            {
                Tensor matrix = Matrices.WithSpectrum(eigenvalues, 1, dtype);
                using MatrixOperator one = new(matrix);
                Estimate expected = Make(name, 24, 4).Estimate(one).Total;
                foreach (double scale in (double[])[1e-8, 1e8])
                {
                    using MatrixOperator scaled = new(matrix.mul(scale));
                    Estimate actual = Make(name, 24, 4).Estimate(scaled).Total;
                    double tolerance = dtype == ScalarType.Float64 ? 1e-10 : 1e-4;
                    Assert.InRange(actual.Value / scale / expected.Value, 1 - tolerance, 1 + tolerance);
                    Assert.Equal(expected.StandardError, actual.StandardError / scale, tolerance * expected.Value);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(StatisticalCases))]
    public void Is_unbiased_and_its_interval_covers_as_often_as_it_says(string name, string spectrum)
    {
        using DisposeScope scope = NewDisposeScope();
        double exact = Spectra[spectrum].Sum();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra[spectrum], 2);
        Estimate[] estimates = [.. Enumerable.Range(0, Seeds).Select(seed => Make(name, 30, seed).Estimate(a).Total)];
        double spread = Math.Sqrt(estimates.Sum(e => Math.Pow(e.Value - exact, 2)) / Seeds);
        int covered = estimates.Count(e => e.ConfidenceInterval() is var (low, high) && low <= exact && exact <= high);
        double mean = estimates.Average(e => e.Value) - exact, stated = Math.Sqrt(estimates.Average(e => e.StandardError * e.StandardError));
        output.WriteLine($"{name} on {spectrum}: sd {spread / exact:e2} stated {stated / exact:e2} bias {mean / spread * Math.Sqrt(Seeds):f2} SE covered {covered / 4.0} %");
        Assert.InRange(mean, -4 * spread / Math.Sqrt(Seeds), 4 * spread / Math.Sqrt(Seeds));
        Assert.InRange(covered, 0.90 * Seeds, 0.99 * Seeds);
    }

    [Fact]
    public void At_equal_products_the_sketching_ones_are_far_ahead_on_a_decaying_spectrum()
    {
        using DisposeScope scope = NewDisposeScope();
        double exact = Spectra["decaying"].Sum();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra["decaying"], 2);
        double Error(string name) => Math.Sqrt(Enumerable.Range(0, 40).Average(seed => Math.Pow(Make(name, 80, seed).Estimate(a).Total.Value - exact, 2)));
        double[] errors = [.. KnownTraceEstimators.Names.Select(Error)];
        Assert.Equal(errors.OrderDescending(), errors);
        Assert.True(errors[0] > 5 * errors[2] && errors[2] > 5 * errors[3], string.Join(", ", errors));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Stops_at_the_tolerance_and_not_before_the_minimum(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra["power law"], 2);
        Estimate Run(double? tolerance) => KnownTraceEstimators.Create(
            name, new EstimatorOptions { Products = 90, MinProbes = 10, RelativeTolerance = tolerance, Seed = 1 }).Estimate(a).Total;
        (Estimate loose, Estimate tight, Estimate full) = (Run(10), Run(1e-12), Run(null));
        Assert.InRange(loose.Samples, 10, 17);
        Assert.True(loose.Products < full.Products);
        Assert.Equal(full, tight);
        Estimate one = Run(0.05);
        Assert.True(one.ConfidenceInterval().High - one.Value <= 0.05 * one.Value || one.Products == full.Products, $"{one}");
    }

    [Theory]
    [InlineData("hutch++", 6)]
    [InlineData("xtrace", 4)]
    [InlineData("xnystrace", 2)]
    public void Any_size_with_any_number_of_products_gives_a_number_and_an_error(string name, int least)
    {
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            for (int size = 1; size <= 12; size++)
            {
                using DisposeScope scope = NewDisposeScope();
                double[] eigenvalues = [.. Enumerable.Range(1, size).Select(i => 1.0 / i)];
                using MatrixOperator a = Matrices.OperatorWithSpectrum(eigenvalues, (ulong)size, dtype);
                for (int products = least; products <= size + 2; products++)
                {
                    Estimate trace = Make(name, products, 7).Estimate(a).Total;
                    double error = Math.Abs(trace.Value - eigenvalues.Sum());
                    Assert.True(error <= (100 * trace.StandardError) + 1e-4, $"{size} x {size}, {products} products: {trace}"); // false for NaN
                    Assert.InRange(trace.Products, 1, Math.Max(products, size));
                }
            }
        }
    }

    [Fact]
    public void Refuses_more_vectors_than_fit_before_the_first_product()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(zeros(2_000_000, device: Here));
        foreach (string name in KnownTraceEstimators.Names.Skip(1))
        {
            string message = Assert.Throws<CurvatureException>(() => Make(name, 1_000_000, 0).Estimate(a)).Message;
            Assert.Contains("Ask for fewer products", message, StringComparison.Ordinal);
        }

        Assert.Throws<CurvatureException>(() => new XDiag { MaxProducts = 1_000_000 }.Estimate(a));
        Assert.Throws<CurvatureException>(() => new OperatorNorm { MaxSteps = 1_000_000 }.Estimate(a));
        Assert.Throws<CurvatureException>(() => new FunctionTrace { Steps = 1_000_000 }.Estimate(a, x => x));
        Assert.Equal(0, a.Products);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_interval_that_stopped_the_drawing_still_covers(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        double exact = Spectra["power law"].Sum();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra["power law"], 2);
        EstimatorOptions options = new() { Products = 90, MinProbes = 8, RelativeTolerance = 0.05 };
        Estimate[] estimates = [.. Enumerable.Range(0, Seeds).Select(seed => KnownTraceEstimators.Create(name, options with { Seed = seed }).Estimate(a).Total)];
        int covered = estimates.Count(e => e.ConfidenceInterval() is var (low, high) && low <= exact && exact <= high);
        output.WriteLine($"{name} stopped: covered {covered / 4.0} % at {estimates.Average(e => e.Products)} products");
        Assert.InRange(covered, 0.90 * Seeds, 0.99 * Seeds);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_same_seed_gives_the_same_bits_and_another_does_not(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra["power law"]);
        Estimate first = Make(name, 30, 5).Estimate(a).Total;
        Assert.Equal(first, Make(name, 30, 5).Estimate(a).Total);
        Assert.NotEqual(first, Make(name, 30, 6).Estimate(a).Total);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reports_progress_and_can_be_cancelled(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra["power law"]);
        List<ProductProgress> told = [];
        using CancellationTokenSource source = new();
        ToldProgress progress = new(p =>
        {
            told.Add(p);
            source.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => Make(name, 48, 0).Estimate(a, progress: progress, cancellation: source.Token));
        ProductProgress only = Assert.Single(told);
        Assert.True(only.Done > 0 && only.Done < only.Total);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Refuses_what_is_not_square_and_settings_out_of_range(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator wide = new(ones([3, 40], device: Here));
        using MatrixOperator square = Matrices.OperatorWithSpectrum(Spectra["flat"]);
        Assert.Throws<CurvatureException>(() => Make(name, 24, 0).Estimate(wide));
        Assert.Throws<CurvatureException>(() => Make(name, 0, 0).Estimate(square));
        Assert.Throws<CurvatureException>(() =>
            KnownTraceEstimators.Create(name, new EstimatorOptions { RelativeTolerance = -1 }).Estimate(square));
    }

    [Fact]
    public void Nystrom_refuses_an_indefinite_matrix_by_its_eigenvalues()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([5, 3, -4, .. new double[60]]);
        string message = Assert.Throws<CurvatureException>(() => new XNysTrace { MaxProducts = 20 }.Estimate(a)).Message;
        Assert.Contains("negative curvature", message, StringComparison.Ordinal);
        Assert.Contains("XTrace", message, StringComparison.Ordinal);
        using MatrixOperator skew = new(tensor(new[,] { { 1.0, 2.0 }, { 0.0, 1.0 } }, device: Here));
        Assert.Contains("symmetric", Assert.Throws<CurvatureException>(() => new XNysTrace().Estimate(skew)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hutchinson")]
    [InlineData("hutch++")]
    [InlineData("xtrace")]
    public void Takes_matrices_that_are_not_symmetric(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(3);
        Tensor matrix = empty([Size, Size], ScalarType.Float64).normal_(0, 1, generator).to(Here).add(eye(Size, Size, ScalarType.Float64, device: Here).mul(20));
        using MatrixOperator a = new(matrix);
        double exact = matrix.trace().ToDouble();
        Estimate[] estimates = [.. Enumerable.Range(0, 100).Select(seed => Make(name, 30, seed).Estimate(a).Total)];
        double error = estimates.Average(e => e.Value) - exact, standardError = Math.Sqrt(estimates.Average(e => e.StandardError * e.StandardError) / 100);
        Assert.InRange(error, -4 * standardError, 4 * standardError);
    }

    [Fact]
    public void Names_the_first_product_that_is_not_finite()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            using DiagonalOperator a = new(full(200, double.NaN, dtype, device: Here));
            Assert.All(KnownTraceEstimators.Names, name => Assert.Throws<NonFiniteException>(() => Make(name, 24, 0).Estimate(a)));
        }
    }

    private static bool Takes(string name, string spectrum) => name != "xnystrace" || spectrum != "indefinite";

    private static ITraceEstimator Make(string name, int products, int seed) =>
        KnownTraceEstimators.Create(name, new EstimatorOptions { Products = products, Seed = seed });
}
