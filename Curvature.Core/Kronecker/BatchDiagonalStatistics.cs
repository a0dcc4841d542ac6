using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// A parameter's diagonal from whole batches' gradients, <c>(1/W) sum_b (sum_n s_n g_n)^2</c>: where the g_n are independent draws of mean zero, or carry random signs s_n, the cross terms
/// vanish in the mean and <c>sum_n g_n^2</c> stays. Nothing need be known of the layer. (The Gauss-Newton-Bartlett estimator: Liu, Li, Hall, Liang, Ma 2023, Sophia, section 2.3.)
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

    public override IReadOnlyList<(string Key, DecayedSum Sum)> Sums => [("diagonal", _sum)];

    public override void AddGradients(PulledBack column)
    {
        using DisposeScope scope = NewDisposeScope();
        if (column.OfParameter(index) is { } g)
        {
            _sum.Add(g.reshape(-1).square());
        }
    }

    public override LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts) => new DiagonalBlock(Name, parts["diagonal"]);

    public override LayerBlock ToBlock(double weight)
    {
        using IDisposable noGrad = no_grad();
        return new DiagonalBlock(Name, _sum.Value.div(weight));
    }
}
