using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class LobpcgTests(ITestOutputHelper output)
{
    private static readonly double[] Spread = [.. Enumerable.Range(0, 120).Select(i => -3 + (i * 0.05)), 8, 11, -6, -9, -9];

    [Theory]
    [InlineData(ScalarType.Float64, 1e-9)]
    [InlineData(ScalarType.Float32, 1e-5)]
    public void Finds_the_smallest_with_their_multiplicity(ScalarType dtype, double tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spread, 4, dtype);
        using Eigenpairs pairs = new Lobpcg { Count = 3, Which = Spectrum.Smallest, Tolerance = tolerance }.Solve(a);
        Assert.True(pairs.Converged && pairs.IsComplete);
        Assert.All(((double[])[-9, -9, -6]).Zip(pairs.Values), p => Assert.True(Math.Abs(p.First - p.Second.Value) <= p.Second.Residual, $"{p}"));
        EigensolverTests.AssertEigenvectors(a, pairs, 10 * tolerance, dtype == ScalarType.Float64 ? 1e-10 : 1e-5);
    }

    [Fact]
    public void A_preconditioner_finds_the_smallest_eigenvalues_of_an_ill_conditioned_matrix_in_a_fraction_of_the_products()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor d = tensor([.. Enumerable.Range(0, 300).Select(i => 1e-4 * Math.Pow(10, 4.0 * i / 299))], device: Here);
        using MatrixOperator small = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 300).Select(i => 1e-7 * i)], 2), a = new(d.diag().add(small.ToDense()));
        using DiagonalOperator inverse = new(d.reciprocal());
        Lobpcg solver = new() { Count = 3, Which = Spectrum.Smallest, Tolerance = 1e-9, MaxProducts = 4000 };
        using Eigenpairs plain = solver.Solve(a), preconditioned = (solver with { Preconditioner = inverse }).Solve(a);
        output.WriteLine($"{plain.Products} {preconditioned.Products}");
        Assert.True(preconditioned.Converged && preconditioned.IsComplete);
        Assert.True(preconditioned.Products * 5 < plain.Products, $"{preconditioned.Products} {plain.Products}");
        double[] exact = [.. linalg.eigvalsh(a.ToDense()).cpu().data<double>().ToArray().Take(3).OrderDescending()];
        Assert.All(exact.Zip(preconditioned.Values), p => Assert.True(Math.Abs(p.First - p.Second.Value) <= p.Second.Residual, $"{p}"));
        Assert.Throws<CurvatureException>(() => (solver with { Preconditioner = new DiagonalOperator(ones(3, ScalarType.Float64, device: Here)) }).Solve(a));
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-12)]
    [InlineData(ScalarType.Float32, 1e-6)]
    public void Stays_stable_far_beyond_what_rounding_allows(ScalarType dtype, double tolerance)
    {
        // Without the orthonormal basis the Gram matrix of [X, W, P] turns singular close to convergence.
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 200).Select(i => Math.Pow(0.93, i))], 5, dtype);
        using Eigenpairs pairs = new Lobpcg { Count = 6, Tolerance = tolerance, MaxProducts = 4000 }.Solve(a);
        Assert.All(pairs.Values.Select((v, i) => (v, Math.Pow(0.93, i))), p => Assert.Equal(p.Item2, p.v.Value, dtype == ScalarType.Float64 ? 1e-12 : 1e-5));
        EigensolverTests.AssertEigenvectors(a, pairs, 1e-5, dtype == ScalarType.Float64 ? 1e-12 : 1e-5);
        Assert.True(pairs.IsComplete);
    }

    [Theory]
    [InlineData(5, 5)]
    [InlineData(6, 4)]
    [InlineData(7, 2)]
    public void A_space_smaller_than_three_blocks_is_no_obstacle(int n, int count)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] spectrum = [.. Enumerable.Range(1, n).Select(i => (double)i * i)];
        using MatrixOperator a = Matrices.OperatorWithSpectrum(spectrum, 3);
        using Eigenpairs pairs = new Lobpcg { Count = count }.Solve(a);
        Assert.True(pairs.Converged && pairs.IsComplete);
        Assert.Equal(spectrum.OrderDescending().Take(count), pairs.Values.Select(v => Math.Round(v.Value, 6)));
    }

    [Fact]
    public void Refuses_both_ends_and_a_block_smaller_than_what_is_wanted()
    {
        using MatrixOperator a = Matrices.OperatorWithSpectrum([1, 2, 3]);
        Assert.Throws<CurvatureException>(() => new Lobpcg { Which = Spectrum.Both }.Solve(a));
        Assert.Throws<CurvatureException>(() => new Lobpcg { Which = Spectrum.Magnitude }.Solve(a));
        Assert.Throws<CurvatureException>(() => new Lobpcg { Count = 3, BlockSize = 2 }.Solve(a));
    }

    [Fact]
    public void Tells_of_a_block_without_spare_columns_that_it_cannot_vouch_for_completeness()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spread);
        using Eigenpairs pairs = new Lobpcg { Count = 2, BlockSize = 2 }.Solve(a);
        Assert.True(pairs.Converged);
        Assert.False(pairs.IsComplete);
    }
}
