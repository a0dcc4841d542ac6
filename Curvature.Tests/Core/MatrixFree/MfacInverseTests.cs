using Curvature.Krylov;
using Curvature.MatrixFree;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.MatrixFree;

public sealed class MfacInverseTests
{
    private const double Lambda = 1e-3;

    public static TheoryData<int, int?, int> Shapes => new()
    {
        { 9, null, 1 }, { 9, null, 2 }, { 9, null, 4 }, { 9, null, 9 }, // pages, dividing m or not
        { 9, 1, 1 }, { 9, 4, 1 }, { 9, 9, 2 },                          // blocks of at most m
        { 9, 10, 1 }, { 9, 16, 5 }, { 9, 33, 1 }, { 9, 1000, 3 },       // wider blocks, the last one ragged
        { 1, null, 1 }, { 50, null, 3 },                                // one gradient, and more than parameters
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Is_the_dense_inverse_for_any_number_of_pages_and_blocks(int m, int? block, int pages)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(m, 37);
        using MfacInverse inverse = new(G, new MfacOptions { Damping = Lambda, BlockSize = block, Pages = pages });
        Tensor expected = DenseMfac.Inverse(G, Lambda, block);
        AssertClose(expected, inverse.ToDense(), 1e-8);
        AssertClose(expected.diagonal(), inverse.Diagonal(), 1e-8);
        Assert.Equal(expected.trace().ToDouble(), inverse.ExactTrace!.Value, 1e-8 * expected.trace().ToDouble());
        Tensor rows = tensor(new long[] { 36, 0, 8, 9, 17 }, device: Here), columns = tensor(new long[] { 9, 36, 1 }, device: Here);
        AssertClose(expected.index_select(0, rows).index_select(1, columns), inverse.Entries(rows, columns), 1e-8);
        Assert.Equal(expected[5, 6].ToDouble(), inverse.Element(5, 6), 1e-8 * expected.norm().ToDouble());
        Tensor gradient = G.select(0, m - 1).clone();
        AssertClose(expected.mv(gradient), inverse.Apply(gradient), 1e-8);
    }

    [Fact]
    public void Is_the_papers_recursion()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(12, 30), x = Gradients(1, 30, seed: 5).select(0, 0);
        using MfacInverse inverse = new(G, new MfacOptions { Damping = Lambda, Pages = 5 });
        AssertClose(DenseMfac.ByRecursion(G, Lambda, x), inverse.Apply(x), 1e-10);
    }

    [Fact]
    public void In_float32_products_with_the_window_keep_five_digits_and_others_four_at_a_damping_of_1e_minus_5()
    {
        using DisposeScope scope = NewDisposeScope();
        const double Small = 1e-5;
        Tensor G = Gradients(512, 20_000, dtype: ScalarType.Float32), outside = Gradients(1, 20_000, seed: 9, ScalarType.Float32).select(0, 0);
        using MfacInverse inverse = new(G, new MfacOptions { Damping = Small, Pages = 3 });
        Tensor last = G.select(0, 511).clone();
        MfacProduct own = inverse.Solve(last), other = inverse.Solve(outside);
        Assert.Equal((511, null), (own.Gradient, other.Gradient));
        AssertBounded(own, DenseMfac.Product(G, Small, last), 1e-5);
        AssertBounded(other, DenseMfac.Product(G, Small, outside), 1e-4);

        // A combination of gradients is in the span too: as coefficients it is pushed through, as a vector nothing can be promised, and that is what is said.
        Tensor c = Gradients(1, 512, seed: 3).select(0, 0), combination = G.to(ScalarType.Float64).t().mv(c);
        AssertClose(DenseMfac.Product(G, Small, combination), inverse.ApplyToWindow(c), 1e-5);
        MfacProduct rounded = inverse.Solve(combination.to(ScalarType.Float32));
        Assert.True(rounded.RelativeError > 0.1);
        AssertBounded(rounded, DenseMfac.Product(G, Small, combination), double.PositiveInfinity);

        // Half-way between, the error grows and stays below its bound.
        foreach (double share in (double[])[1e-1, 1e-3, 1e-5])
        {
            Tensor x = last.add(outside, share);
            AssertBounded(inverse.Solve(x), DenseMfac.Product(G, Small, x), double.PositiveInfinity);
        }
    }

    [Theory]
    [InlineData(40, null)]
    [InlineData(200, 48)] // several blocks, the last one ragged
    public void In_float32_the_diagonal_keeps_its_digits_where_the_curvature_is_large(int d, int? block)
    {
        using DisposeScope scope = NewDisposeScope();
        const double Small = 1e-5;
        Tensor G = Gradients(32, d, dtype: ScalarType.Float32).mul(tensor(Enumerable.Range(0, d).Select(i => (float)Math.Pow(10, (3.0 * i / d) - 2)).ToArray(), device: Here));
        using MfacInverse inverse = new(G, new MfacOptions { Damping = Small, BlockSize = block, Pages = 3 });
        Tensor ratio = inverse.Diagonal().to(ScalarType.Float64).div(DenseMfac.Inverse(G, Small, block).diagonal());
        Assert.True(ratio.min().ToDouble() > 1 - 1e-5 && ratio.max().ToDouble() < 1 + 1e-5, $"{ratio.min().ToDouble():g3} to {ratio.max().ToDouble():g3} of the true diagonal");
    }

    [Fact]
    public void Any_order_of_the_gradients_gives_the_same_products()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach ((ScalarType dtype, double tolerance) in new[] { (ScalarType.Float64, 1e-10), (ScalarType.Float32, 1e-4) })
        {
            Tensor G = Gradients(40, 300, dtype: dtype), x = Gradients(1, 300, seed: 4, dtype).select(0, 0), gradient = G.select(0, 7).clone();
            using Generator generator = new(11);
            using MfacInverse plain = new(G), permuted = new(G.index_select(0, randperm(40, generator: generator).to(Here)));
            AssertClose(plain.Apply(x), permuted.Apply(x), tolerance);
            AssertClose(plain.Apply(gradient), permuted.Apply(gradient), tolerance);
            AssertClose(plain.Diagonal(), permuted.Diagonal(), tolerance);
        }
    }

    [Fact]
    public void Equal_and_zero_gradients_do_no_harm()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor few = Gradients(3, 25), G = cat([few, few, zeros(2, 25, ScalarType.Float64, device: Here)]);
        using MfacInverse inverse = new(G, new MfacOptions { Damping = Lambda });
        AssertClose(DenseMfac.Inverse(G, Lambda), inverse.ToDense(), 1e-8);
        Assert.Equal(0, inverse.Solve(zeros(25, ScalarType.Float64, device: Here)).Value.norm().ToDouble());
    }

    [Fact]
    public void The_gradients_of_batches_make_it_the_inverse_of_their_damped_covariance()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string name in (string[])["tanh-mlp cross-entropy", "gelu-mlp cross-entropy sum", "frozen and unused parameters", "tanh-mlp weighted, smoothed, ignored"])
        {
            Problem problem = Problems.Create(name);
            using GradientCovarianceOperator covariance = new(problem.Objective(3, 1, 3));
            using MfacInverse inverse = MfacInverse.FromBatches(problem.Objective(3, 1, 3), options: new MfacOptions { Damping = Lambda, Pages = 2 });
            AssertClose(linalg.inv(covariance.Shift(Lambda).ToDense()), inverse.ToDense(), 1e-8);
        }

        Assert.Equal(2, MfacInverse.FromBatches(Problems.Create("conv").Objective(3, 1, 3), 2).Gradients);
        CurvatureException error = Assert.Throws<CurvatureException>(() => MfacInverse.FromBatches(Problems.Create("conv").Objective(3, 1, 3), 4));
        Assert.Contains("from 1 to 3 gradients", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_gradients_of_samples_make_it_the_inverse_of_the_damped_empirical_Fisher_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string name in (string[])
            ["tanh-mlp cross-entropy", "gelu-mlp cross-entropy sum", "silu-mlp weighted, ignored", "tanh-mlp mse", "tanh-mlp bce of three sum", "conv", "frozen and unused parameters"])
        {
            Problem problem = Problems.Create(name);
            using EmpiricalFisherOperator fisher = new(problem.Objective(3, 4));
            using MfacInverse inverse = MfacInverse.FromSamples(problem.Objective(3, 4), problem.Model, new MfacOptions { Damping = Lambda, Pages = 2 });
            Assert.Equal(7, inverse.Gradients);
            AssertClose(linalg.inv(fisher.Shift(Lambda).ToDense()), inverse.ToDense(), 1e-8);
        }

        Problem pixels = Problems.Create("conv, a label a pixel, ignored");
        Assert.Contains("6 labels", Assert.Throws<CurvatureException>(() => MfacInverse.FromSamples(pixels.Objective(), pixels.Model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mask_takes_parameters_out_of_the_gradients()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using GradientCovarianceOperator covariance = new(problem.Objective(3, 1, 3));
        Tensor mask = arange(covariance.Rows, ScalarType.Int64, device: Here).remainder(3).ne(0), kept = mask.to(ScalarType.Float64);
        using MfacInverse inverse = MfacInverse.FromBatches(problem.Objective(3, 1, 3), options: new MfacOptions { Damping = Lambda }, mask: mask);
        Tensor F = covariance.ToDense().mul(kept.outer(kept)).add(eye(covariance.Rows, dtype: ScalarType.Float64, device: Here).mul(Lambda));
        AssertClose(linalg.inv(F), inverse.ToDense(), 1e-8);
        Assert.Throws<CurvatureException>(() => MfacInverse.FromBatches(problem.Objective(3, 1, 3), mask: mask.narrow(0, 0, 4)));
    }

    [Fact]
    public void Conjugate_gradients_that_it_preconditions_are_done_at_once()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(9, 60), b = Gradients(1, 60, seed: 2).select(0, 0).clone();
        using MatrixOperator F = new(DenseMfac.Matrix(G, Lambda));
        using MfacInverse inverse = new(G, new MfacOptions { Damping = Lambda });
        using MfacWindow window = new(9, 60, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = Lambda });
        for (int i = 0; i < 9; i++)
        {
            window.Insert(G.select(0, i));
        }

        foreach (LinearOperator preconditioner in (LinearOperator[])[inverse, window])
        {
            using LinearSolution solution = new ConjugateGradient { Tolerance = 1e-8 }.Solve(F, b, preconditioner);
            Assert.True(solution.Converged);
            Assert.InRange(solution.Iterations, 1, 2);
        }
    }

    [Fact]
    public void What_is_no_window_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(3, 8), bad = G.clone();
        bad.narrow(0, 1, 1).narrow(1, 2, 1).fill_(double.NaN);
        Assert.Contains("Gradient 1 ", Assert.Throws<NonFiniteException>(() => new MfacInverse(bad)).Message, StringComparison.Ordinal);
        foreach (Tensor shape in (Tensor[])[G.select(0, 0), G.to(ScalarType.Int64), G.narrow(0, 0, 0), G.narrow(1, 0, 0)])
        {
            Assert.Throws<CurvatureException>(() => new MfacInverse(shape));
        }

        foreach (MfacOptions options in (MfacOptions[])
        [
            new() { Damping = 0 }, new() { Damping = -1 }, new() { Damping = double.NaN }, new() { Damping = double.PositiveInfinity },
            new() { BlockSize = 0 }, new() { Pages = 0 }, new() { Pages = 4 }, new() { MemoryLimit = 0 },
        ])
        {
            Assert.Throws<CurvatureException>(() => new MfacInverse(G, options));
        }

        Tensor twice = cat([G, G]).mul(1e150);
        Assert.Contains("Raise the damping", Assert.Throws<CurvatureException>(() => new MfacInverse(twice)).Message, StringComparison.Ordinal);
        using MfacInverse inverse = new(G);
        Assert.Throws<CurvatureException>(() => inverse.Apply(zeros(7, ScalarType.Float64, device: Here)));
        Assert.Throws<CurvatureException>(() => inverse.Apply(zeros(8, ScalarType.Float32, device: Here)));
        Assert.Throws<CurvatureException>(() => inverse.Solve(zeros(8, 1, ScalarType.Float64, device: Here)));
        Assert.Throws<CurvatureException>(() => inverse.ApplyToWindow(zeros(4, ScalarType.Float64, device: Here)));
        Assert.Throws<CurvatureException>(() => inverse.Element(0, 8));
        Assert.Throws<NonFiniteException>(() => inverse.Apply(full(8, double.NaN, ScalarType.Float64, device: Here)));
    }

    [Fact]
    public void Memory_is_told_beforehand_and_refused_or_paged()
    {
        using DisposeScope scope = NewDisposeScope();
        MfacOptions small = new() { MemoryLimit = 1 << 28 };
        CurvatureException error = Assert.Throws<CurvatureException>(() => MfacMemory.Estimate(1024, 1_000_000, ScalarType.Float32, CPU, small));
        Assert.Contains("3.9", error.Message, StringComparison.Ordinal);
        Assert.Contains("0.25 GiB", error.Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => new MfacInverse(Gradients(3, 8), new MfacOptions { MemoryLimit = 100 }));
        Assert.Throws<CurvatureException>(() => MfacMemory.Estimate(1 << 30, 1L << 40, ScalarType.Float32, CPU, new MfacOptions()));

        MfacMemory paged = MfacMemory.Estimate(1024, 1_000_000, ScalarType.Float32, new Device("cuda:0"), small);
        Assert.InRange(paged.Pages, 16, 64);
        Assert.InRange(paged.OnDevice, 1 << 26, 1 << 28);
        MfacMemory whole = MfacMemory.Estimate(1024, 1_000_000, ScalarType.Float32, new Device("cuda:0"), new MfacOptions());
        Assert.Equal((1, 4_096_000_000), (whole.Pages, whole.Window));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(2)]
    public void Making_it_can_be_cancelled_and_leaves_no_tensor(int? block)
    {
        using DisposeScope scope = NewDisposeScope();
        using CancellationTokenSource source = new();
        source.Cancel();
        Tensor G = Gradients(3, 8);
        MfacOptions options = new() { BlockSize = block };
        static long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        long before = Live();
        new MfacInverse(G, options).Dispose();
        long whole = Live() - before; // what reading numbers out leaves to the collector
        Assert.Throws<OperationCanceledException>(() => new MfacInverse(G, options, source.Token));
        Assert.Equal(whole, Live() - before - whole);
    }

    internal static Tensor Gradients(long m, long d, ulong seed = 1, ScalarType dtype = ScalarType.Float64)
    {
        using Generator generator = new(seed);
        return empty([m, d], dtype).normal_(0, 1, generator).to(Here);
    }

    internal static void AssertClose(Tensor expected, Tensor actual, double tolerance)
    {
        double difference = Matrices.RelativeDifference(actual, expected);
        Assert.True(difference <= tolerance, $"relative difference {difference:g3}");
    }

    private static void AssertBounded(MfacProduct product, Tensor expected, double tolerance)
    {
        double error = (product.Value.to(ScalarType.Float64) - expected).norm().ToDouble() / product.Value.to(ScalarType.Float64).norm().ToDouble();
        Assert.True(error <= product.RelativeError, $"error {error:g3} above its bound {product.RelativeError:g3}");
        AssertClose(expected, product.Value, tolerance);
    }
}
