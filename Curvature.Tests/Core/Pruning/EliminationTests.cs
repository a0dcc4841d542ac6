using Curvature.MatrixFree;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static Curvature.Tests.Core.MatrixFree.MfacInverseTests;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Pruning;

public sealed class EliminationTests
{
    private const double Lambda = 1e-2;

    public static TheoryData<int?, int> Shapes => new() { { null, 1 }, { null, 3 }, { 4, 1 }, { 12, 1 }, { 12, 2 }, { 1, 1 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Is_the_dense_formula_for_any_set_blocks_and_pages(int? block, int pages)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(9, 30), w = Gradients(1, 30, seed: 2).select(0, 0).clone(), inverse = DenseMfac.Inverse(G, Lambda, block);
        using MfacInverse mfac = new(G, new MfacOptions { Damping = Lambda, BlockSize = block, Pages = pages });
        foreach (long[] set in (long[][])[[7], [0, 1, 2, 3, 11, 12, 29], [.. Enumerable.Range(1, 28).Select(i => (long)i)], [.. Enumerable.Range(0, 30).Select(i => (long)i)]])
        {
            // -F^-1[:, Q] F^-1[Q, Q]^-1 w_Q, and half of w_Q^T F^-1[Q, Q]^-1 w_Q
            Tensor Q = tensor(set, device: Here), wQ = w.index_select(0, Q), columns = inverse.index_select(1, Q);
            Tensor a = linalg.solve(columns.index_select(0, Q), wQ.unsqueeze(1)).squeeze(1), expected = columns.mv(a).neg();
            MfacElimination elimination = mfac.Eliminate(w, MaskOf(Q, 30));
            AssertClose(expected, elimination.Change, 1e-9);
            Assert.Equal(wQ.dot(a).ToDouble() / 2, elimination.Increase, 1e-9 * elimination.Increase);
            Assert.True(elimination.Change.index_select(0, Q).Equals(wQ.neg()));
        }
    }

    [Fact]
    public void One_weight_costs_its_score_and_several_the_least_that_their_zeros_allow()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(9, 30), w = Gradients(1, 30, seed: 2).select(0, 0).clone(), F = DenseMfac.Matrix(G, Lambda);
        using MfacInverse mfac = new(G, new MfacOptions { Damping = Lambda });
        double diagonal = mfac.Diagonal()[4].ToDouble(), value = w[4].ToDouble();
        MfacElimination one = mfac.Eliminate(w, MaskOf(tensor(new[] { 4L }, device: Here), 30));
        Assert.Equal(value * value / (2 * diagonal), one.Increase, 1e-10 * one.Increase);
        AssertClose(mfac.Apply(MaskOf(tensor(new[] { 4L }, device: Here), 30).to(ScalarType.Float64)).mul(-value / diagonal), one.Change, 1e-9);

        // At the minimum the model's gradient vanishes in whatever may still move.
        Tensor Q = tensor(new long[] { 0, 3, 9, 22, 23 }, device: Here), mask = MaskOf(Q, 30);
        MfacElimination several = mfac.Eliminate(w, mask);
        Tensor gradient = F.mv(several.Change);
        Assert.True(gradient.masked_select(mask.logical_not()).norm().ToDouble() < 1e-12 * gradient.norm().ToDouble());
        Assert.Equal(several.Change.dot(gradient).ToDouble() / 2, several.Increase, 1e-10 * several.Increase);
    }

    [Fact]
    public void Keeps_four_digits_in_float32()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(200, 1500, dtype: ScalarType.Float32), w = Gradients(1, 1500, seed: 2, ScalarType.Float32).select(0, 0).clone();
        Tensor mask = arange(1500, ScalarType.Int64, device: Here).remainder(10).ne(0);
        using MfacInverse single = new(G), twice = new(G.to(ScalarType.Float64));
        MfacElimination a = single.Eliminate(w, mask), b = twice.Eliminate(w.to(ScalarType.Float64), mask);
        AssertClose(b.Change.masked_select(mask.logical_not()), a.Change.masked_select(mask.logical_not()), 1e-4);
        Assert.Equal(b.Increase, a.Increase, 1e-4 * b.Increase);
    }

    [Fact]
    public void Refuses_what_does_not_fit()
    {
        using DisposeScope scope = NewDisposeScope();
        using MfacInverse mfac = new(Gradients(3, 8));
        Tensor w = zeros(8, ScalarType.Float64, device: Here), mask = zeros(8, ScalarType.Bool, device: Here);
        Assert.Throws<CurvatureException>(() => mfac.Eliminate(w.narrow(0, 0, 7), mask));
        Assert.Throws<CurvatureException>(() => mfac.Eliminate(w.to(ScalarType.Float32), mask));
        Assert.Throws<CurvatureException>(() => mfac.Eliminate(w, mask.narrow(0, 0, 7)));
        Assert.Throws<CurvatureException>(() => mfac.Eliminate(w, mask.to(ScalarType.Int64)));
    }

    internal static Tensor MaskOf(Tensor indices, long length) => zeros(length, device: Here).index_add_(0, indices, ones(indices.shape[0], device: Here), 1).ne(0);
}
