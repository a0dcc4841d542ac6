using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Inputs as numbers: features, or the patches under a convolution's kernel. The matrix is <c>[out, in]</c>.</summary>
/// <param name="a"><c>[N, K, in, T]</c>.</param>
internal sealed class DenseInputs(Tensor a) : LayerInputs
{
    public override long Samples => a.shape[0];

    public override long Positions => a.shape[3];

    /// <summary>With a 1 after the features, which the bias multiplies.</summary>
    public DenseInputs WithOnes() => new(cat([a, ones([a.shape[0], a.shape[1], 1, Positions], a.dtype, a.device)], 2));

    /// <summary>The mean over the positions whose weight is 1, a single position; zero where there is none.</summary>
    /// <param name="w"><c>[N, K, T]</c>.</param>
    public DenseInputs Mean(Tensor w)
    {
        Tensor weights = w.unsqueeze(2), count = weights.sum(3, keepdim: true);
        return new DenseInputs(a.mul(weights).sum(3, keepdim: true).div(count.add(count.eq(zeros_like(count)).to(a.dtype))));
    }

    public override Tensor Moment(Tensor w)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = Columns(a), weighted = A.mul(Columns(w.unsqueeze(2)));
        return weighted.bmm(A.transpose(1, 2)).MoveToOuterDisposeScope();
    }

    public override Tensor Gradients(Tensor g, long first, long count)
    {
        long[] shape = [count, a.shape[1], g.shape[2], a.shape[2]];
        Tensor G = g.narrow(0, first, count).reshape(-1, g.shape[2], Positions), A = a.narrow(0, first, count).reshape(-1, a.shape[2], Positions);
        return G.bmm(A.transpose(1, 2)).reshape(shape);
    }

    public override Tensor SquaredGradients(Tensor g)
    {
        if (Positions > 1)
        {
            return base.SquaredGradients(g);
        }

        // One position: (g_i a_j)^2 summed over the samples is a product of the squares.
        using DisposeScope scope = NewDisposeScope();
        return Columns(g).square().bmm(Columns(a).square().transpose(1, 2)).MoveToOuterDisposeScope();
    }

    protected override long MatrixEntries(long outputs) => a.shape[1] * a.shape[2] * outputs;

    public override LayerInputs Rotated(Tensor? U) => U is null ? this : new DenseInputs(Rotate(U, a));

    public override LayerInputs Joined(IEnumerable<LayerInputs> others)
    {
        Tensor[] all = [a, .. others.Select(other => ((DenseInputs)other).Values)];
        return all.Length == 1 ? this : new DenseInputs(cat(all, 3));
    }

    /// <summary><c>U^T x</c> for every sample and position of x <c>[N, K, d, T]</c>; null: x.</summary>
    public static Tensor Rotate(Tensor? U, Tensor x) => U is null
        ? x
        : U.transpose(1, 2).bmm(Columns(x)).reshape(x.shape[1], x.shape[2], x.shape[0], x.shape[3]).permute(2, 0, 1, 3);

    /// <summary>Every sample and position a column: <c>[N, K, d, T]</c> to <c>[K, d, N T]</c>.</summary>
    public static Tensor Columns(Tensor x) => x.permute(1, 2, 0, 3).reshape(x.shape[1], x.shape[2], -1);

    private Tensor Values => a;
}
