using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Inputs as numbers: features, or the patches under a convolution's kernel. The matrix is <c>[out, in]</c>.</summary>
/// <param name="features"><c>[N, K, in, T]</c>.</param>
/// <param name="withOnes">Whether a 1 follows the features, which the bias multiplies.</param>
internal sealed class DenseInputs(Tensor features, bool withOnes = false) : LayerInputs
{
    public override long Samples => features.shape[0];

    public override long Positions => features.shape[3];

    private long Groups => features.shape[1];

    private long Width => features.shape[2] + (withOnes ? 1 : 0);

    /// <summary>With a 1 after the features.</summary>
    public DenseInputs WithOnes() => new(features, withOnes: true);

    /// <summary>The sum over samples and positions, without the 1, <c>[K, in]</c>, in the caller's scope.</summary>
    public Tensor Total() => features.sum(dim: 3).sum(dim: 0);

    /// <summary>The mean over the positions whose weight is 1, a single position; zero where there is none.</summary>
    /// <param name="w"><c>[N, K, T]</c>.</param>
    public DenseInputs Mean(Tensor w)
    {
        Tensor weights = w.unsqueeze(2), count = weights.sum(3, keepdim: true);
        return new DenseInputs(features.mul(weights).sum(3, keepdim: true).div(count.add(count.eq(zeros_like(count)).to(features.dtype))), withOnes);
    }

    public override Tensor Moment(Tensor w)
    {
        using DisposeScope scope = NewDisposeScope();

        // One copy in the order of the product, weighted in place: w is 0 or 1, so that w w = w.
        Tensor A = empty([Groups, Width, Samples, Positions], features.dtype, features.device);
        A.narrow(1, 0, features.shape[2]).copy_(features.permute(1, 2, 0, 3));
        if (withOnes)
        {
            A.narrow(1, features.shape[2], 1).fill_(1);
        }

        A = A.mul_(w.permute(1, 0, 2).unsqueeze(1)).reshape(Groups, Width, -1);
        return A.bmm(A.transpose(1, 2)).MoveToOuterDisposeScope();
    }

    public override Tensor GradientSum(Tensor g)
    {
        if (Positions > g.shape[2])
        {
            return base.GradientSum(g); // the samples' matrices are smaller than their inputs
        }

        using DisposeScope scope = NewDisposeScope();
        return Columns(g).bmm(Columns(Values()).transpose(1, 2)).MoveToOuterDisposeScope();
    }

    public override Tensor Gradients(Tensor g, long first, long count)
    {
        Tensor G = g.narrow(0, first, count).reshape(-1, g.shape[2], Positions), A = Values().narrow(0, first, count).reshape(-1, Width, Positions);
        return G.bmm(A.transpose(1, 2)).reshape(count, Groups, g.shape[2], Width);
    }

    public override Tensor SquaredGradients(Tensor g)
    {
        if (Positions > 1)
        {
            return base.SquaredGradients(g);
        }

        // One position: (g_i a_j)^2 summed over the samples is a product of the squares.
        using DisposeScope scope = NewDisposeScope();
        return Columns(g).square().bmm(Columns(Values()).square().transpose(1, 2)).MoveToOuterDisposeScope();
    }

    public override LayerInputs Rotated(Tensor? U) => U is null ? this : new DenseInputs(Rotate(U, Values()));

    public override LayerInputs Joined(IEnumerable<LayerInputs> others)
    {
        Tensor[] all = [features, .. others.Select(other => ((DenseInputs)other).Features)];
        return all.Length == 1 ? this : new DenseInputs(cat(all, 3), withOnes);
    }

    protected override long MatrixEntries(long outputs) => Groups * Width * outputs;

    /// <summary><c>U^T x</c> for every sample and position of x <c>[N, K, d, T]</c>; null: x.</summary>
    public static Tensor Rotate(Tensor? U, Tensor x) => U is null
        ? x
        : U.transpose(1, 2).bmm(Columns(x)).reshape(x.shape[1], x.shape[2], x.shape[0], x.shape[3]).permute(2, 0, 1, 3);

    /// <summary>Every sample and position a column: <c>[N, K, d, T]</c> to <c>[K, d, N T]</c>.</summary>
    public static Tensor Columns(Tensor x) => x.permute(1, 2, 0, 3).reshape(x.shape[1], x.shape[2], -1);

    private Tensor Features => features;

    /// <summary>All inputs, the 1 included, <c>[N, K, in, T]</c>.</summary>
    private Tensor Values() => withOnes ? cat([features, ones([Samples, Groups, 1, Positions], features.dtype, features.device)], 2) : features;
}
