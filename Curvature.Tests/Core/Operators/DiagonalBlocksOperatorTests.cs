using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

public sealed class DiagonalBlocksOperatorTests
{
    [Fact]
    public void Keeps_the_entries_within_groups_and_no_others()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor a = randn(6, 6, ScalarType.Float64).to(Here), expected = zeros_like(a);
        long[][] groups = [[4, 0], [2, 3, 1]];
        foreach ((long i, long j) in groups.SelectMany(group => group.SelectMany(i => group.Select(j => (i, j)))))
        {
            expected[i, j] = a[i, j];
        }

        using MatrixOperator matrix = new(a);
        using DiagonalBlocksOperator blocks = new(matrix, [.. groups.Select(group => tensor(group, device: Here))]);
        Assert.True(Matrices.RelativeDifference(blocks.ToDense(), expected) < 1e-14);
        Tensor u = randn(6, 40, ScalarType.Float64).to(Here);
        Assert.True(Matrices.RelativeDifference(blocks.ApplyTranspose(u), expected.t().mm(u)) < 1e-14);
    }

    [Fact]
    public void By_layer_is_each_layers_own_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm");
        using GgnOperator ggn = new(problem.Objective(4, 3));
        using DiagonalBlocksOperator byLayer = DiagonalBlocksOperator.ByLayer(ggn);
        using DiagonalBlocksOperator byName = DiagonalBlocksOperator.ByParameters(
            ggn, [["fc1.weight", "fc1.bias"], ["norm.weight", "norm.bias"], ["fc2.bias", "fc2.weight"]]);
        long[] sizes = [.. ggn.Parameters.Layers.Select(layer => layer.Count)];
        Tensor mask = block_diag([.. sizes.Select(size => ones(size, size, ScalarType.Float64, device: Here))]);
        Tensor expected = ggn.ToDense().mul(mask);
        Assert.True(byLayer.IsSymmetric);
        Assert.True(Matrices.RelativeDifference(byLayer.ToDense(), expected) < 1e-13);
        Assert.True(Matrices.RelativeDifference(byName.ToDense(), expected) < 1e-13);
    }

    [Fact]
    public void Groups_that_overlap_or_do_not_exist_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator square = new(randn(3, 3).to(Here)), tall = new(randn(3, 2).to(Here));
        Assert.Throws<CurvatureException>(() => new DiagonalBlocksOperator(square, [tensor(new long[] { 0, 1 }, device: Here), tensor(new long[] { 1 }, device: Here)]));
        Assert.Throws<CurvatureException>(() => new DiagonalBlocksOperator(square, [tensor(new long[] { 3 }, device: Here)]));
        Assert.Throws<CurvatureException>(() => new DiagonalBlocksOperator(square, []));
        Assert.Throws<CurvatureException>(() => new DiagonalBlocksOperator(tall, [tensor(new long[] { 0 }, device: Here)]));
        Problem problem = Problems.Create("conv");
        using GgnOperator ggn = new(problem.Objective());
        Assert.Contains("'fc9'", Assert.Throws<CurvatureException>(() => DiagonalBlocksOperator.ByParameters(ggn, [["fc9"]])).Message, StringComparison.Ordinal);
    }
}
