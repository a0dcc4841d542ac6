using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

/// <summary>What every eigensolver must do at the largest end, over the catalogue.</summary>
public sealed class EigensolverTests(ITestOutputHelper output)
{
    private static readonly double[] Spread = [.. Enumerable.Range(0, 120).Select(i => -3 + (i * 0.05)), 8, 9.5, 11];

    public static TheoryData<string> Names => [.. KnownEigensolvers.Names];

    public static TheoryData<string, ScalarType, double> Scales
    {
        get
        {
            TheoryData<string, ScalarType, double> cases = [];
            foreach (string name in KnownEigensolvers.Names)
            {
                foreach (double scale in (double[])[1e-8, 1, 1e8])
                {
                    cases.Add(name, ScalarType.Float64, scale);
                    cases.Add(name, ScalarType.Float32, scale);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Scales))]
    public void Finds_the_largest_with_residuals_that_bound_the_error_at_every_scale(string name, ScalarType dtype, double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Spread.Select(x => x * scale)], 3, dtype);
        using Eigenpairs pairs = Create(name, 3).Solve(a);
        output.WriteLine($"{name} {dtype} {scale}: {pairs.Products} products, {string.Join(" ", pairs.Values)}");
        Assert.True(pairs.Converged);
        Assert.Equal(a.Products, pairs.Products);
        foreach ((double exact, Eigenvalue found) in ((double[])[11 * scale, 9.5 * scale, 8 * scale]).Zip(pairs.Values))
        {
            Assert.True(Math.Abs(exact - found.Value) <= found.Residual && found.Residual < 3e-5 * 11 * scale, $"{exact} {found}");
        }

        AssertEigenvectors(a, pairs, 3e-5, dtype == ScalarType.Float64 ? 1e-9 : 1e-5);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Counts_a_multiple_eigenvalue_with_its_multiplicity(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Spread, 11, 11, 8], 1);
        using Eigenpairs pairs = Create(name, 6).Solve(a);
        Assert.True(pairs.Converged);
        Assert.Equal([11, 11, 11, 9.5, 8, 8], pairs.Values.Select(v => Math.Round(v.Value, 6)));
        AssertEigenvectors(a, pairs, 3e-5, 1e-9);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_not_converged_where_rounding_stops_it_short_of_the_tolerance(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator single = Matrices.OperatorWithSpectrum(Spread, 2, ScalarType.Float32), wide = Matrices.OperatorWithSpectrum(Spread, 2);
        IEigensolver solver = KnownEigensolvers.Create(name, new EigensolverOptions { Count = 2, Which = name == "power" ? Spectrum.Magnitude : Spectrum.Largest, Tolerance = 1e-12 });
        using Eigenpairs stopped = solver.Solve(single), reached = solver.Solve(wide);
        Assert.False(stopped.Converged);
        Assert.All(stopped.Values, pair => Assert.InRange(pair.Residual, 0, stopped.Rounding));
        Assert.True(stopped.Products < 1000, $"{stopped.Products} products");
        Assert.True(reached.Converged);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Handles_zero_identity_and_two_point_spectra(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (double[] spectrum in (double[][])[[0, 0, 0, 0], [2, 2, 2, 2], [1, 1, 1, -0.5, -0.5], [5]])
        {
            foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
            {
                using MatrixOperator a = Matrices.OperatorWithSpectrum(spectrum, 2, dtype);
                using Eigenpairs pairs = Create(name, 3).Solve(a);
                Assert.True(pairs.Converged);
                double[] expected = [.. spectrum.OrderDescending().Take(3)];
                Assert.Equal(expected.Length, pairs.Values.Count);
                Assert.All(expected.Zip(pairs.Values), p => Assert.Equal(p.First, p.Second.Value, 1e-5));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Says_so_when_the_products_run_out(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 300).Select(i => (double)i)]);
        using Eigenpairs pairs = KnownEigensolvers.Create(name, Options(name, 4) with { MaxProducts = 24, Tolerance = 1e-10 }).Solve(a);
        Assert.False(pairs.Converged || pairs.IsComplete);
        Assert.InRange(pairs.Products, 1, 24);
        Assert.Equal(pairs.Products, a.Products);
        Assert.All(pairs.Values, v => Assert.True(Enumerable.Range(0, 300).Min(i => Math.Abs(i - v.Value)) <= v.Residual));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_same_seed_gives_the_same_bits_and_another_the_same_values(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Spread);
        using Eigenpairs first = Create(name, 3).Solve(a), second = Create(name, 3).Solve(a);
        using Eigenpairs other = KnownEigensolvers.Create(name, Options(name, 3) with { Seed = 5 }).Solve(a);
        Assert.Equal(first.Values, second.Values);
        Assert.NotEqual(first.Values, other.Values);
        Assert.All(first.Values.Zip(other.Values), p => Assert.Equal(p.First.Value, p.Second.Value, 1e-6));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Refuses_what_it_cannot_do_and_ends_when_told_to(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator general = new(arange(9, ScalarType.Float64, device: Here).reshape(3, 3)), symmetric = Matrices.OperatorWithSpectrum([1, 2, 3]);
        Assert.Throws<CurvatureException>(() => Create(name, 1).Solve(general));
        Assert.Throws<CurvatureException>(() => Create(name, 0).Solve(symmetric));
        Assert.Throws<CurvatureException>(() => KnownEigensolvers.Create(name, Options(name, 1) with { Tolerance = 0 }).Solve(symmetric));
        Assert.Throws<OperationCanceledException>(() => Create(name, 1).Solve(symmetric, cancellation: new CancellationToken(true)));
    }

    [Fact]
    public void Every_eigensolver_is_in_the_catalogue_and_an_unknown_name_is_answered_with_the_known_ones()
    {
        Assert.Equal(
            typeof(IEigensolver).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(IEigensolver)) && t is { IsAbstract: false }).OrderBy(t => t.Name),
            KnownEigensolvers.Names.Select(n => Create(n, 1).GetType()).OrderBy(t => t.Name));
        Assert.Contains("lanczos, lobpcg, power", Assert.Throws<CurvatureException>(() => KnownEigensolvers.Create("arnoldi")).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => KnownEigensolvers.Create("power", new EigensolverOptions { Which = Spectrum.Smallest }));
    }

    internal static void AssertEigenvectors(LinearOperator a, Eigenpairs pairs, double tolerance, double orthogonality)
    {
        Tensor V = pairs.Vectors, lambda = tensor(pairs.Values.Select(v => v.Value).ToArray(), V.dtype, device: Here);
        Assert.True(Matrices.RelativeDifference(V.t().mm(V), eye(V.shape[1], V.shape[1], V.dtype, device: Here)) < orthogonality);
        Assert.True(a.Apply(V).sub(V.mul(lambda)).norm().ToDouble() < tolerance * lambda.abs().max().ToDouble() * V.shape[1]);
    }

    // Lobpcg works at one end; the spectra here have their largest magnitudes there.
    private static EigensolverOptions Options(string name, int count) => new() { Count = count, Which = name == "lobpcg" ? Spectrum.Largest : Spectrum.Magnitude };

    private static IEigensolver Create(string name, int count) => KnownEigensolvers.Create(name, Options(name, count));
}
