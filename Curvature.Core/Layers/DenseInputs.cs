using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// Inputs as numbers: features, or the patches under a convolution's kernel, which are as many times as large as what the layer was given as the kernel has entries: they are made some samples at a time, or whole where
/// that is asked for. The matrix is <c>[out, in]</c>.
/// </summary>
internal sealed class DenseInputs : LayerInputs
{
    /// <summary>Entries that are gone through at once: few enough that they are still in the cache when they are multiplied.</summary>
    private const long Stretch = 1 << 19;

    private readonly long[] _shape;
    private readonly bool _withOnes;
    private Func<long, long, Tensor> _features;
    private bool _isMade; // anew each time

    /// <param name="features"><c>[N, K, in, T]</c>.</param>
    public DenseInputs(Tensor features) : this(In(features), features.shape, isMade: false)
    {
    }

    /// <param name="features">Makes those of samples <c>first .. first + count - 1</c>, in the caller's scope.</param>
    /// <param name="shape">Of all, <c>[N, K, in, T]</c>.</param>
    public DenseInputs(Func<long, long, Tensor> features, long[] shape) : this(features, shape, isMade: true)
    {
    }

    private DenseInputs(Func<long, long, Tensor> features, long[] shape, bool isMade, bool withOnes = false) => (_features, _shape, _isMade, _withOnes) = (features, shape, isMade, withOnes);

    public override long Samples => _shape[0];

    public override long Positions => _shape[3];

    /// <summary>Entries of a position, without the 1.</summary>
    public long Size => _shape[2];

    /// <summary>All of them, <c>[N, K, in, T]</c>, without the 1, in the caller's scope.</summary>
    public Tensor Features => _features(0, Samples);

    /// <summary>K.</summary>
    public long Groups => _shape[1];

    private long Width => Size + (_withOnes ? 1 : 0);

    /// <summary>With a 1 after the features.</summary>
    public DenseInputs WithOnes() => new(_features, _shape, _isMade, withOnes: true);

    public override void Keep()
    {
        if (_isMade)
        {
            (_features, _isMade) = (In(Features.contiguous()), false);
        }
    }

    /// <summary>The sum over samples and positions, without the 1, <c>[K, in]</c>, in the caller's scope.</summary>
    public Tensor Total() => Sum(0, (first, count) => _features(first, count).sum(dim: 3).sum(dim: 0));

    /// <summary>The mean over the positions whose weight is 1, a single position; zero where there is none.</summary>
    /// <param name="w"><c>[N, K, T]</c>.</param>
    public DenseInputs Mean(Tensor w)
    {
        Tensor weights = w.unsqueeze(2), count = weights.sum(3, keepdim: true);
        return With(Features.mul(weights).sum(3, keepdim: true).div(count.add(count.eq(zeros_like(count)).to(w.dtype))));
    }

    public override Tensor Moment(Tensor w) => Sum(Width * Width, (first, count) =>
    {
        // In the order of the product, in which patches lie; w is 0 or 1, so that w w = w, and what multiplies the bias is w itself.
        Tensor weights = w.narrow(0, first, count).permute(1, 0, 2).unsqueeze(1), A = _features(first, count).permute(1, 2, 0, 3).mul(weights);
        A = (_withOnes ? cat([A, weights], 1) : A).reshape(Groups, Width, -1);
        return A.bmm(A.transpose(1, 2));
    });

    public override Tensor GradientSum(Tensor g)
    {
        if (Positions > g.shape[2])
        {
            return base.GradientSum(g); // the samples' matrices are smaller than their inputs
        }

        using DisposeScope scope = NewDisposeScope();
        return Columns(g).bmm(Columns(Values(0, Samples)).transpose(1, 2)).MoveToOuterDisposeScope();
    }

    public override Tensor Gradients(Tensor g, long first, long count)
    {
        Tensor G = g.narrow(0, first, count).reshape(-1, g.shape[2], Positions), A = Values(first, count).reshape(-1, Width, Positions);
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
        return Columns(g).square().bmm(Columns(Values(0, Samples)).square().transpose(1, 2)).MoveToOuterDisposeScope();
    }

    public override LayerInputs Rotated(Tensor? U) => U is null ? this : new DenseInputs(Rotate(U, Values(0, Samples)));

    public override LayerInputs Joined(IEnumerable<LayerInputs> others)
    {
        DenseInputs[] further = [.. others.Cast<DenseInputs>()];
        return further.Length == 0 ? this : With(cat([Features, .. further.Select(other => other.Features)], 3));
    }

    protected override long MatrixEntries(long outputs) => Groups * Width * outputs;

    /// <summary><c>U^T x</c> for every sample and position of x <c>[N, K, d, T]</c>; null: x.</summary>
    public static Tensor Rotate(Tensor? U, Tensor x) => U is null
        ? x
        : U.transpose(1, 2).bmm(Columns(x)).reshape(x.shape[1], x.shape[2], x.shape[0], x.shape[3]).permute(2, 0, 1, 3);

    /// <summary>Every sample and position a column: <c>[N, K, d, T]</c> to <c>[K, d, N T]</c>.</summary>
    public static Tensor Columns(Tensor x) => x.permute(1, 2, 0, 3).reshape(x.shape[1], x.shape[2], -1);

    /// <summary>Other features in the place of these.</summary>
    private DenseInputs With(Tensor features) => new(In(features), features.shape, isMade: false, _withOnes);

    private static Func<long, long, Tensor> In(Tensor all) => (first, count) => all.narrow(0, first, count);

    /// <summary>Inputs of some samples, the 1 included, <c>[count, K, in, T]</c>.</summary>
    private Tensor Values(long first, long count)
    {
        Tensor features = _features(first, count);
        return _withOnes ? cat([features, ones([count, Groups, 1, Positions], features.dtype, features.device)], 2) : features;
    }

    /// <summary>The sum of what stretches of samples give, in the caller's scope.</summary>
    /// <param name="entries">Of the sum: adding it up should be little beside a stretch.</param>
    /// <param name="part">Gets the first sample and how many.</param>
    private Tensor Sum(long entries, Func<long, long, Tensor> part)
    {
        using DisposeScope scope = NewDisposeScope();
        long stretch = Math.Max(1, Math.Max(Stretch, 4 * entries) / Math.Max(1, Groups * Width * Positions));
        Tensor? sum = null;
        for (long first = 0; sum is null || first < Samples; first += stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor next = part(first, Math.Min(stretch, Samples - first));
            sum = sum?.add_(next) ?? next.MoveToOuterDisposeScope();
        }

        return sum.MoveToOuterDisposeScope();
    }
}
