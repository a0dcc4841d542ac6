using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>Sums over the blocks of a vector: a parameter space's layers, or the whole of it.</summary>
internal static class BlockForms
{
    /// <summary>Sums of the rows of <c>[P, k]</c> over each parameter's entries, for each column, float64 <c>[parameters, k]</c>; over all rows, <c>[1, k]</c>, where there are no blocks. In the caller's scope.</summary>
    public static Tensor Sums(Tensor terms, ParameterSpace? blocks)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sums = blocks is null
            ? terms.sum(dim: 0, type: ScalarType.Float64).unsqueeze(0)
            : stack(blocks.Parameters.Select((p, i) => terms.narrow(0, blocks.Offset(i), p.numel()).sum(dim: 0, type: ScalarType.Float64)));
        return sums.MoveToOuterDisposeScope();
    }

    /// <summary>Such sums by block, k numbers each.</summary>
    public static double[][] ByBlock(Tensor sums, ParameterSpace? blocks)
    {
        int count = (int)sums.shape[1];
        double[] all = sums.cpu().data<double>().ToArray();
        return blocks is null
            ? [all]
            : [.. blocks.Layers.Select(layer => Enumerable.Range(0, count).Select(j => layer.Indices.Sum(i => all[(i * count) + j])).ToArray())];
    }
}
