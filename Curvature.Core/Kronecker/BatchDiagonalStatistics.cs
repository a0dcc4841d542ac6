using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// A parameter's diagonal from whole batches' gradients, <c>(1/W) sum_b (sum_n s_n g_n)^2</c>: where the g_n are independent draws of mean zero, or carry random signs s_n, the cross terms
/// vanish in the mean and <c>sum_n g_n^2</c> stays. A batch in parts, or over ranks, is one batch: the parts' gradients add up first. Nothing need be known of the layer. (The Gauss-Newton-Bartlett estimator: Liu, Li, Hall, Liang, Ma 2023, Sophia, section 2.3.)
/// </summary>
/// <param name="name">The parameter.</param>
/// <param name="index">Its position.</param>
/// <param name="size">Its entries.</param>
/// <param name="dtype">Of the diagonal.</param>
/// <param name="device">Where it lies.</param>
internal sealed class BatchDiagonalStatistics(string name, int index, long size, ScalarType dtype, Device device)
    : LayerStatistics(name, [index], BlockKind.BatchDiagonal)
{
    private readonly DecayedSum _sum = new([size], dtype, device);
    private readonly List<Tensor> _columns = []; // each the sum over the parts of the batch so far
    private int _next;

    public override IReadOnlyList<(string Key, DecayedSum Sum)> Sums => [("diagonal", _sum)];

    public override int Columns => _columns.Count;

    public override void AddGradients(PulledBack column)
    {
        using DisposeScope scope = NewDisposeScope();
        Pad(++_next);
        if (column.OfParameter(index) is { } g)
        {
            _columns[_next - 1].add_(g.reshape(-1).to(dtype));
        }
    }

    public override void EndBatch(PulledBack last, double? identity) => _next = 0;

    public override IEnumerable<Tensor> Brought(int columns)
    {
        Pad(columns);
        return _columns;
    }

    public override void EndParts()
    {
        using DisposeScope scope = NewDisposeScope();
        _columns.ForEach(column => _sum.Add(column.square()));
        Forget();
    }

    public override void Drop()
    {
        Forget();
        base.Drop();
    }

    public override LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts) => new DiagonalBlock(Name, Require(parts, "diagonal", dtype, shape => shape.AsSpan().SequenceEqual(_sum.Shape)));

    public override LayerBlock ToBlock(double weight)
    {
        using IDisposable noGrad = no_grad();
        return new DiagonalBlock(Name, _sum.Value.div(weight));
    }

    private void Pad(int columns)
    {
        while (_columns.Count < columns)
        {
            _columns.Add(zeros(size, dtype, device).DetachFromDisposeScope());
        }
    }

    private void Forget()
    {
        _columns.ForEach(column => column.Dispose());
        _columns.Clear();
        _next = 0;
    }
}
