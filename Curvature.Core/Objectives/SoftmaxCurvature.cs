using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// Curvature of the softmax cross-entropy: <c>a (diag p - p p^T)</c> for each label, with <c>p = softmax(z)</c> along dimension 1 and a the label's weight
/// (its share of the reduction and its class weight; 0 where ignored). The square root's column c is <c>sqrt(a p_c) (e_c - p)</c>, a sample
/// <c>sqrt(a) (p - e_y)</c> with y drawn from p (Martens 2020, New Insights and Perspectives on the Natural Gradient Method, section 9).
/// </summary>
internal sealed class SoftmaxCurvature : OutputCurvature
{
    private readonly Tensor _p;
    private readonly Tensor _a;
    private readonly double _weight;

    /// <param name="loss">The cross-entropy.</param>
    /// <param name="outputs"><c>[N, C, ...]</c>.</param>
    /// <param name="targets">Labels.</param>
    /// <param name="a">Weight of each label, <c>[N, 1, ...]</c> or <c>[1]</c>; becomes this object's.</param>
    /// <param name="weight">The factor on the loss, contained in a.</param>
    public SoftmaxCurvature(CrossEntropy loss, Tensor outputs, Tensor targets, Tensor a, double weight) : base(loss, outputs, targets)
    {
        using IDisposable noGrad = no_grad();
        _p = Outputs.softmax(1).DetachFromDisposeScope();
        _a = a.DetachFromDisposeScope();
        _weight = weight;
    }

    public override long Columns => _p.shape[1];

    public override long Positions => _p.shape[2..].Aggregate(1L, (product, size) => product * size);

    public override Tensor Product(Tensor u)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();

        // a (p * u - p (p . u))
        Tensor product = _p.mul(u);
        Tensor inner = product.sum(1, keepdim: true);
        return product.addcmul_(_p, inner, -1).mul_(_a).MoveToOuterDisposeScope();
    }

    public override Tensor SampleGradient(SampleNoise noise)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();

        // The class is where the cumulated probability first exceeds a uniform draw; drawn below its last value, which rounding moves off 1.
        Tensor cumulated = _p.cumsum(1);
        Tensor last = cumulated.narrow(1, Columns - 1, 1);
        Tensor draw = noise.Uniform(last.shape, _p.device).mul_(last);
        Tensor label = cumulated.le(draw).sum(1, keepdim: true);
        return _p.clone().scatter_add_(1, label, last.fill_(-1)).mul_(_a.sqrt()).MoveToOuterDisposeScope();
    }

    internal override Tensor? RowScale()
    {
        using IDisposable noGrad = no_grad();
        return _a.numel() == 1 || Positions == 1 ? ScaleToSamples(ones_like(_a)).reshape(-1) : null;
    }

    public override Tensor OuterProduct(Tensor g, Tensor u)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return g.mul(g.mul(u).sum(1, keepdim: true)).MoveToOuterDisposeScope();
    }

    public override Tensor RootColumn(long column, long? position = null)
    {
        CheckColumn(column, position);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long[] shape = [_p.shape[0], Columns, Positions];
        Tensor p = _p.reshape(shape), a = _a.numel() == 1 ? _a : _a.reshape(shape[0], 1, Positions);
        if (position is { } one)
        {
            p = p.narrow(2, one, 1);
            a = a.numel() == 1 ? a : a.narrow(2, one, 1);
        }

        Tensor root = p.narrow(1, column, 1).mul(a).sqrt();
        Tensor values = p.mul(root).neg();
        values.narrow(1, column, 1).add_(root);
        if (position is { } at)
        {
            Tensor spread = zeros(shape, _p.dtype, _p.device);
            spread.narrow(2, at, 1).copy_(values);
            values = spread;
        }

        return values.reshape(_p.shape).MoveToOuterDisposeScope();
    }

    // The gradient is a (p - q) / weight with the target distribution q, and sqrt(a) (p - q) is wanted.
    protected override Tensor ScaleToSamples(Tensor gradient) =>
        gradient.mul(_weight).mul(_a.rsqrt().masked_fill(_a.gt(0).logical_not(), 0));

    protected override void Dispose(bool disposing)
    {
        _p.Dispose();
        _a.Dispose();
        base.Dispose(disposing);
    }
}
