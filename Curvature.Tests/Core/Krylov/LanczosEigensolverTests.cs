using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class LanczosEigensolverTests
{
    private static readonly double[] Spread = [.. Enumerable.Range(0, 120).Select(i => -3 + (i * 0.05)), 8, 11, -6];

    [Theory]
    [InlineData(Spectrum.Largest, 4)]
    [InlineData(Spectrum.Smallest, 4)]
    [InlineData(Spectrum.Magnitude, 5)]
    [InlineData(Spectrum.Both, 3)]
    public void Finds_the_wanted_ends_with_residuals_that_bound_the_error(Spectrum which, int count)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spread);
        using Eigenpairs pairs = new LanczosEigensolver { Count = count, Which = which, Tolerance = 1e-8 }.Solve(a);
        double[] expected = Expected(Spread, which, count);
        Assert.Equal(expected.Length, pairs.Values.Count);
        Assert.True(pairs.Converged && pairs.IsComplete);
        Assert.Equal(pairs.Values.OrderByDescending(v => Math.Abs(v.Value)), pairs.Values);
        double rounding = Spread.Length * (Math.BitIncrement(1.0) - 1) * Spread.Max(Math.Abs); // n eps |A|: the matrix itself is Q D Q^T no closer than that, and the residual is of it
        foreach ((double exact, Eigenvalue found) in expected.Order().Zip(pairs.Values.OrderBy(v => v.Value)))
        {
            Assert.True(Math.Abs(exact - found.Value) <= found.Residual + rounding, $"{exact} {found}");
            Assert.Equal(exact, found.Value, 1e-10 * 11);
        }

        double[] residuals = a.Apply(pairs.Vectors).sub(pairs.Vectors.mul(tensor(pairs.Values.Select(v => v.Value).ToArray(), device: Here))).square().sum(dim: 0).sqrt().cpu().data<double>().ToArray();
        Assert.All(residuals.Zip(pairs.Values), r => Assert.Equal(r.First, r.Second.Residual, rounding));
        AssertEigenvectors(a, pairs, 1e-7);
    }

    [Theory]
    [InlineData(200, 60, 200)] // more than a quarter: all there is
    [InlineData(200, 40, 100)]
    [InlineData(2_000_000, 1, 40)]
    [InlineData(20_000, 5_000, 10_020)] // dense projections of 20,000 rows would take 19 GB
    [InlineData(48_000, 12_000, 24_020)] // and of 48,000 no array has room for
    public void The_basis_grows_with_what_is_wanted_and_is_whole_where_its_projection_is_small(long rows, long wanted, long expected) =>
        Assert.Equal(expected, LanczosEigensolver.UsualBasis(rows, wanted));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void No_more_products_are_made_than_allowed(int most)
    {
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spectra.All["power law"]);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 2, MaxProducts = most }.Solve(a);
        Assert.InRange(pairs.Products, 1, most);
        Assert.Throws<CurvatureException>(() => new LanczosEigensolver { MaxProducts = 1 }.Solve(a));
    }

    [Fact]
    public void Gives_what_it_has_when_the_products_do_not_even_suffice_for_one_each()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spread);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 5, MaxProducts = 3 }.Solve(a);
        Assert.InRange(pairs.Values.Count, 1, 5);
        Assert.False(pairs.Converged || pairs.IsComplete);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Counts_a_multiple_eigenvalue_with_its_multiplicity(int copies)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spectrum = [.. Spread, .. Enumerable.Repeat(11.0, copies - 1), 8];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(spectrum, 1);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 5, Which = Spectrum.Largest }.Solve(a);
        Assert.True(pairs.IsComplete);
        Assert.Equal(Expected(spectrum, Spectrum.Largest, 5), pairs.Values.Select(v => Math.Round(v.Value, 8)));
        AssertEigenvectors(a, pairs, 1e-4);
    }

    [Fact]
    public void Handles_zero_identity_and_two_point_spectra()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (double[] spectrum in (double[][])[[0, 0, 0, 0], [2, 2, 2, 2], [1, 1, 1, -1, -1], [5]])
        {
            foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
            {
                using MatrixOperator a = Matrices.OperatorWithSpectrum(spectrum, 2, dtype);
                using Eigenpairs pairs = new LanczosEigensolver { Count = 3, Which = Spectrum.Largest }.Solve(a);
                Assert.True(pairs.Converged && pairs.IsComplete);
                double[] expected = Expected(spectrum, Spectrum.Largest, 3);
                Assert.Equal(expected.Length, pairs.Values.Count);
                Assert.All(expected.Zip(pairs.Values), p => Assert.Equal(p.First, p.Second.Value, 1e-5));
            }
        }
    }

    [Fact]
    public void Keeps_its_precision_over_a_million_single_precision_entries()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor d = randn(1_000_000).to(Here).mul_(0.003);
        d.narrow(0, 500, 3).copy_(tensor([100f, 60f, -80f], device: Here));
        using DiagonalOperator a = new(d);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 3 }.Solve(a);
        Assert.True(pairs.Converged && pairs.IsComplete);
        Assert.All(pairs.Values.Zip((double[])[100, -80, 60]), p => Assert.True(Math.Abs(p.First.Value - p.Second) <= Math.Min(p.First.Residual, 1e-3), $"{p}"));
    }

    [Theory]
    [InlineData(1e-8)]
    [InlineData(1e8)]
    public void Scales_with_the_matrix(double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Spread.Select(x => x * scale)]), one = Matrices.OperatorWithSpectrum(Spread);
        using Eigenpairs scaled = new LanczosEigensolver { Count = 3 }.Solve(a), unit = new LanczosEigensolver { Count = 3 }.Solve(one);
        Assert.True(scaled.Converged);
        Assert.All(scaled.Values.Zip(unit.Values), p => Assert.Equal(p.Second.Value, p.First.Value / scale, 1e-6));
    }

    [Fact]
    public void Converges_in_single_precision_with_restarts()
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spectrum = [.. Enumerable.Range(0, 400).Select(i => Math.Pow(0.97, i))];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(spectrum, 3, ScalarType.Float32);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 5, Which = Spectrum.Largest, BasisSize = 16 }.Solve(a);
        Assert.True(pairs.Converged);
        Assert.All(Expected(spectrum, Spectrum.Largest, 5).Zip(pairs.Values), p => Assert.Equal(p.First, p.Second.Value, 1e-5));
    }

    [Fact]
    public void Says_so_when_the_products_run_out()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 300).Select(i => (double)i)]);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 4, MaxProducts = 14, Tolerance = 1e-10 }.Solve(a);
        Assert.False(pairs.Converged, string.Join(" ", pairs.Values));
        Assert.False(pairs.IsComplete);
        Assert.Equal(4, pairs.Values.Count);
        Assert.InRange(pairs.Products, 1, 14);
        Assert.Equal(pairs.Products, a.Products);
        Assert.All(pairs.Values, v => Assert.True(Enumerable.Range(0, 300).Min(i => Math.Abs(i - v.Value)) <= v.Residual));
    }

    [Theory]
    [InlineData(60, Spectrum.Magnitude)]
    [InlineData(119, Spectrum.Largest)]
    [InlineData(120, Spectrum.Both)]
    [InlineData(300, Spectrum.Magnitude)]
    public void Finds_the_outermost_where_the_products_do_not_suffice_for_all(int count, Spectrum which)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spectrum = [.. Enumerable.Range(0, 300).Select(i => (i % 3 == 0 ? -0.5 : 1) * Math.Pow(0.9, i))];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(spectrum);
        using Eigenpairs pairs = new LanczosEigensolver { Count = count, Which = which, MaxProducts = 120 }.Solve(a);
        Assert.InRange(pairs.Products, 1, 120);
        Assert.Equal(pairs.Products, a.Products);
        Assert.InRange(pairs.Values.Count, 40, Math.Min(count, 80));
        Assert.True(pairs.Values[0].Converged);
        Assert.Equal(0.9, pairs.Values[0].Value, 1e-6);
        Assert.Equal(count == 60 && pairs.Values.Count == 60, pairs.IsComplete);
        Assert.All(pairs.Values, v => Assert.True(spectrum.Min(exact => Math.Abs(exact - v.Value)) <= v.Residual, $"{v}"));
    }

    [Theory]
    [InlineData(520, Spectrum.Magnitude, ScalarType.Float64)]
    [InlineData(350, Spectrum.Both, ScalarType.Float32)]
    [InlineData(560, Spectrum.Smallest, ScalarType.Float32)]
    public void Finds_most_of_a_spectrum_and_all_of_it(int count, Spectrum which, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spectrum = [.. Enumerable.Range(0, 560).Select(i => (i % 4 == 0 ? -1 : 1) * (1 + (i * 0.01)))];
        using DiagonalOperator a = new(tensor(spectrum, dtype, Here));
        using Eigenpairs pairs = new LanczosEigensolver { Count = count, Which = which }.Solve(a);
        double[] expected = which == Spectrum.Both ? spectrum : Expected(spectrum, which, count);
        Assert.True(pairs.IsComplete && pairs.Converged);
        Assert.Equal(expected.Length, pairs.Values.Count);
        Assert.All(expected.Order().Zip(pairs.Values.OrderBy(v => v.Value)), p => Assert.Equal(p.First, p.Second.Value, 1e-5 * 7));
    }

    [Theory]
    [InlineData(60, Spectrum.Magnitude, ScalarType.Float64)]
    [InlineData(51, Spectrum.Both, ScalarType.Float32)]
    [InlineData(120, Spectrum.Smallest, ScalarType.Float32)]
    [InlineData(199, Spectrum.Largest, ScalarType.Float64)]
    public void A_basis_of_the_whole_space_ends_the_search(int count, Spectrum which, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spectrum = [.. Enumerable.Range(0, 200).Select(i => (i % 4 == 0 ? -1 : 1) * (1 + (i * 0.01)))];
        using DiagonalOperator a = new(tensor(spectrum, dtype, Here));
        int wanted = Math.Min(200, which == Spectrum.Both ? 2 * count : count);
        foreach (int? most in (int?[])[200 + wanted, null])
        {
            LanczosEigensolver solver = new() { Count = count, Which = which };
            using Eigenpairs pairs = (most is { } products ? solver with { MaxProducts = products } : solver).Solve(a);
            Assert.True(pairs.IsComplete && pairs.Converged);
            Assert.InRange(pairs.Products, wanted, 200 + wanted);
            Assert.All(Expected(spectrum, which, count).Order().Zip(pairs.Values.OrderBy(v => v.Value)), p => Assert.Equal(p.First, p.Second.Value, 1e-5 * 3));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spread);
        using Eigenpairs first = new LanczosEigensolver { Count = 3, Seed = 4 }.Solve(a), second = new LanczosEigensolver { Count = 3, Seed = 4 }.Solve(a);
        Assert.Equal(first.Values, second.Values);
    }

    [Fact]
    public void Refuses_what_it_cannot_do()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator general = new(arange(9, ScalarType.Float64, device: Here).reshape(3, 3)), symmetric = Matrices.OperatorWithSpectrum([1, 2, 3]);
        Assert.Throws<CurvatureException>(() => new LanczosEigensolver().Solve(general));
        Assert.Throws<CurvatureException>(() => new LanczosEigensolver { Count = 0 }.Solve(symmetric));
        Assert.Throws<CurvatureException>(() => new LanczosEigensolver { Tolerance = double.NaN }.Solve(symmetric));
        Assert.Throws<OperationCanceledException>(() => new LanczosEigensolver().Solve(symmetric, cancellation: new CancellationToken(true)));
    }

    [Fact]
    public void Refuses_a_basis_that_does_not_fit_in_memory()
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(zeros(10_000_000, device: Here));
        string message = Assert.Throws<CurvatureException>(() => new LanczosEigensolver { BasisSize = 400_000 }.Solve(a)).Message;
        Assert.Contains("Krylov vectors of 10000000 entries", message, StringComparison.Ordinal);
    }

    private static double[] Expected(double[] spectrum, Spectrum which, int count)
    {
        IEnumerable<double> chosen = which switch
        {
            Spectrum.Largest => spectrum.OrderDescending().Take(count),
            Spectrum.Smallest => spectrum.Order().Take(count),
            Spectrum.Both => spectrum.OrderDescending().Take(count).Concat(spectrum.Order().Take(count)),
            _ => spectrum.OrderByDescending(Math.Abs).Take(count),
        };
        return [.. chosen.OrderByDescending(Math.Abs)];
    }

    private static void AssertEigenvectors(LinearOperator a, Eigenpairs pairs, double tolerance)
    {
        Tensor V = pairs.Vectors, lambda = tensor(pairs.Values.Select(v => v.Value).ToArray(), device: Here);
        Assert.True(Matrices.RelativeDifference(V.t().mm(V), eye(V.shape[1], V.shape[1], ScalarType.Float64, device: Here)) < 1e-9);
        Assert.True(a.Apply(V).sub(V.mul(lambda)).norm().ToDouble() < tolerance * lambda.abs().max().ToDouble() * V.shape[1]);
    }
}
