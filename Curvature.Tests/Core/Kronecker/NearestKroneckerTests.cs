using Curvature.Kronecker;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Nearest Kronecker products: against the singular value decomposition of the rearranged matrix.</summary>
public sealed class NearestKroneckerTests(ITestOutputHelper output)
{
    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    [Theory]
    [InlineData(ScalarType.Float64, 1e-7)]
    [InlineData(ScalarType.Float32, 1e-3)]
    public void A_product_is_its_own_nearest(ScalarType dtype, double tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor a = Matrices.WithSpectrum([3, 1, 0.1], 1, dtype), b = Matrices.WithSpectrum([5, 2], 2, dtype);
        using MatrixOperator m = new(a.kron(b));
        using KroneckerPair pair = KroneckerPair.Nearest(m, 3, 2, tolerance: 1e-6);
        Assert.True(Matrices.RelativeDifference(pair.ToOperator().ToDense(), a.kron(b)) < tolerance);
        Assert.InRange(pair.RelativeError, 0, tolerance);
        Assert.True(pair.Converged);
    }

    [Fact]
    public void Is_the_leading_singular_pair_of_the_rearrangement()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor dense = Matrices.WithSpectrum([.. Enumerable.Range(1, 12).Select(i => 1.0 / i)], 3);
        using MatrixOperator m = new(dense);
        using KroneckerPair pair = KroneckerPair.Nearest(m, 3, 4);
        (Tensor U, Tensor S, Tensor V) = linalg.svd(dense.reshape(3, 4, 3, 4).permute(0, 2, 1, 3).reshape(9, 16), fullMatrices: false);
        Tensor best = U.select(1, 0).reshape(3, 3).kron(V.select(0, 0).reshape(4, 4)).mul(S[0]);
        Assert.True(Matrices.RelativeDifference(pair.ToOperator().ToDense(), best) < 1e-4); // the gap to the second value decides
        Assert.Equal(Matrices.RelativeDifference(best, dense), pair.RelativeError, 1e-8);
        Assert.True(linalg.eigvalsh(pair.ToOperator().ToDense()).min().ToDouble() > -1e-12);
    }

    [Fact]
    public void Gradients_give_the_product_nearest_to_their_second_moment()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        Tensor X = randn([9, 3, 4], ScalarType.Float64).to(Here), flat = X.reshape(9, 12);
        using MatrixOperator m = new(flat.t().mm(flat));
        using KroneckerPair dense = KroneckerPair.Nearest(m, 3, 4), gradients = KroneckerPair.Nearest(X);
        Assert.True(Matrices.RelativeDifference(gradients.ToOperator().ToDense(), dense.ToOperator().ToDense()) < 1e-8);
        Assert.Equal(dense.RelativeError, gradients.RelativeError, 1e-10);
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("conv")]
    [InlineData("conv, a label a pixel, ignored")]
    [InlineData("layer norm")]
    public void Passes_over_the_data_lower_the_error_from_kfacs_to_the_least(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        Tensor blocks = KfacOperatorTests.Blocks(DenseCurvature.Ggn(problem, 4, 3), kfac);
        double before = Matrices.RelativeDifference(kfac.ToDense(), blocks);
        List<double> errors = [];
        foreach (int passes in new[] { 1, 2, 3, 12 })
        {
            using NearestKronecker nearest = NearestKronecker.Of(problem.Objective(4, 3), problem.Model, Exact, passes);
            errors.Add(Matrices.RelativeDifference(nearest.ToDense(), blocks));
        }

        output.WriteLine($"{name}: {before:g4}, then {string.Join(", ", errors.Select(e => $"{e:g4}"))}");
        Assert.All(errors.Prepend(before).Zip(errors), p => Assert.True(p.Second <= p.First + 1e-12, $"{p}"));

        // Each layer's block against the one by its dense matrix; a bias, the matrix's last column, is put there by hand.
        using NearestKronecker last = NearestKronecker.Of(problem.Objective(4, 3), problem.Model, Exact, 40);
        double least = 0;
        foreach (string layer in last.Layers)
        {
            (int Index, RegisteredParameter Item)[] members = [.. last.Registration.Parameters.Index().Where(p => p.Item.Block == layer)];
            if (members[0].Item.Kind == BlockKind.Kronecker)
            {
                Tensor rows = Rows(problem, [.. members.Select(p => p.Index)]);
                using MatrixOperator block = new(blocks.index_select(0, rows).index_select(1, rows));
                long outputs = problem.Parameters.Parameters[members[0].Index].shape[0];
                using KroneckerPair pair = KroneckerPair.Nearest(block, outputs, rows.numel() / outputs);
                least += Math.Pow(pair.RelativeError * block.ToDense().norm().ToDouble(), 2);
            }
        }

        Assert.Equal(Math.Sqrt(least) / blocks.norm().ToDouble(), Matrices.RelativeDifference(last.ToDense(), blocks), 1e-6);
    }

    [Theory]
    [InlineData(1e-12)]
    [InlineData(1e10)]
    public void In_float32_the_scale_of_the_gradients_plays_no_part(double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(6);
        Tensor X = empty([9, 3, 4], ScalarType.Float32).normal_(0, 1, generator).to(Here);
        using KroneckerPair plain = KroneckerPair.Nearest(X, 1e-6), scaled = KroneckerPair.Nearest(X.mul(scale), 1e-6);
        Tensor expected = plain.ToOperator().ToDense().to(ScalarType.Float64), product = scaled.Left.to(ScalarType.Float64).kron(scaled.Right.to(ScalarType.Float64)).div(scale).div(scale);
        Assert.True(Matrices.RelativeDifference(product, expected) < 1e-3);
        Assert.Equal(plain.RelativeError, scaled.RelativeError, 1e-3);
        Assert.True(scaled.Converged);
    }

    [Theory]
    [InlineData(1e-24f)]
    [InlineData(1e20f)]
    public void In_float32_norms_of_products_stay_in_range(float scale)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy").ToSinglePrecision();
        using KfacFactors factors = KfacFactors.Of(problem.Objective(), problem.Model, Exact);
        using KfacOperator plain = new(factors);
        factors.LoadStateDict(factors.StateDict().ToDictionary(p => p.Key, p => p.Key.EndsWith("/G", StringComparison.Ordinal) ? p.Value.mul(scale) : p.Value));
        using KfacOperator scaled = new(factors);
        Assert.Equal(1, scaled.FrobeniusNorm / (scale * plain.FrobeniusNorm), 1e-5);
    }

    [Fact]
    public void In_float32_small_gradients_have_a_nearest_product_too()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using (no_grad())
        {
            // A model sure of itself: p (1 - p) is some 1e-25 for most samples.
            problem.Parameters.Parameters[^1].copy_(tensor(Enumerable.Range(0, (int)problem.Parameters.Parameters[^1].numel()).Select(i => i == 0 ? 60.0 : 0).ToArray(), device: Here));
        }

        using NearestKronecker expected = NearestKronecker.Of(problem.Objective(), problem.Model, Exact);
        Problem single = problem.ToSinglePrecision();
        using NearestKronecker nearest = NearestKronecker.Of(single.Objective(), single.Model, Exact);
        Assert.True(expected.ExactTrace > 0);
        Assert.Equal(1, nearest.ExactTrace!.Value / expected.ExactTrace!.Value, 1e-2);
    }

    [Fact]
    public void Refuses_shapes_that_are_no_products()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator m = new(eye(6, 6, ScalarType.Float64, device: Here));
        Assert.Contains("6 x 6", Assert.Throws<CurvatureException>(() => KroneckerPair.Nearest(m, 4, 2)).Message, StringComparison.Ordinal);
        Assert.Contains("[N, p, q]", Assert.Throws<CurvatureException>(() => KroneckerPair.Nearest(zeros(3, 4, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);
        Assert.Throws<NonFiniteException>(() => KroneckerPair.Nearest(zeros([2, 3, 4], ScalarType.Float64, device: Here).div(0)));
        Problem problem = Problems.Create("tanh-mlp mse");
        Assert.Contains("at least one pass", Assert.Throws<CurvatureException>(() => NearestKronecker.Of(problem.Objective(), problem.Model, passes: 0)).Message, StringComparison.Ordinal);
    }

    /// <summary>Rows of a weight <c>[out, ...]</c> with its bias's after each output's.</summary>
    private static Tensor Rows(Problem problem, int[] members)
    {
        Tensor[] parts = [.. members.Select(i =>
            arange(problem.Parameters.Offset(i), problem.Parameters.Offset(i) + problem.Parameters.Parameters[i].numel(), 1, ScalarType.Int64, device: Here).reshape(problem.Parameters.Parameters[i].shape[0], -1))];
        return cat(parts, 1).reshape(-1);
    }
}
