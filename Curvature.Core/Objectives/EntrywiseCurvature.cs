using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>Curvature of a loss with one term per entry of the outputs: diagonal, <c>H_l u = h * u</c>. Its samples are the rows.</summary>
internal abstract class EntrywiseCurvature : OutputCurvature
{
    private readonly Tensor _h;
    private readonly double _sampleScale;

    /// <param name="loss">The loss.</param>
    /// <param name="outputs"><c>[N, ...]</c>.</param>
    /// <param name="targets">Of the same shape.</param>
    /// <param name="h">The diagonal, of the outputs' shape or <c>[1]</c>; becomes this object's.</param>
    /// <param name="weight">The factor on the loss, contained in h.</param>
    protected EntrywiseCurvature(ISupervisedLoss loss, Tensor outputs, Tensor targets, Tensor h, double weight) : base(loss, outputs, targets)
    {
        _h = h.DetachFromDisposeScope();
        Rows = outputs.dim() == 0 ? 1 : outputs.shape[0];

        // Sum: g_n is the row's gradient as it is. Mean: the batch's loss is (1/N) sum_n l_n, and sqrt(1/N) dl_n/dz = sqrt(N) d(loss)/dz.
        _sampleScale = Math.Sqrt(weight) * (loss.Reduction == Reduction.Mean ? Math.Sqrt(Rows) : 1);
    }

    public override long Columns => Outputs.numel() / Rows;

    public override long Positions => 1;

    private long Rows { get; }

    public override Tensor Product(Tensor u)
    {
        using IDisposable noGrad = no_grad();
        return u.mul(_h);
    }

    internal override Tensor? RowScale() => full(1, _sampleScale, Outputs.dtype, Outputs.device);

    public override Tensor OuterProduct(Tensor g, Tensor u)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = g.reshape(Rows, Columns);
        return rows.mul(rows.mul(u.reshape(Rows, Columns)).sum(1, keepdim: true)).reshape(g.shape).MoveToOuterDisposeScope();
    }

    public override Tensor RootColumn(long column, long? position = null)
    {
        CheckColumn(column, position);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor root = (_h.numel() == 1 ? _h : _h.reshape(Rows, Columns).narrow(1, column, 1)).sqrt();
        Tensor values = zeros(Rows, Columns, Outputs.dtype, Outputs.device);
        values.narrow(1, column, 1).add_(root);
        return values.reshape(Outputs.shape).MoveToOuterDisposeScope();
    }

    protected override Tensor ScaleToSamples(Tensor gradient) => gradient.mul(_sampleScale);

    protected override void Dispose(bool disposing)
    {
        _h.Dispose();
        base.Dispose(disposing);
    }
}
