using Curvature.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>A parameter's diagonal from per-sample gradients, <c>(1/W) sum_n g_n^2</c>, positions summed first: exact where g is.</summary>
/// <param name="name">The parameter.</param>
/// <param name="index">Its position.</param>
/// <param name="size">Its entries.</param>
/// <param name="dtype">Of the diagonal.</param>
/// <param name="device">Where it lies.</param>
internal sealed class DiagonalStatistics(string name, int index, long size, ScalarType dtype, Device device) : LayerStatistics(name, [index], BlockKind.Diagonal)
{
    private readonly DecayedSum _sum = new([size], dtype, device);

    public override IReadOnlyList<(string Key, DecayedSum Sum)> Sums => [("diagonal", _sum)];

    public override void AddGradients(PulledBack column)
    {
        using DisposeScope scope = NewDisposeScope();
        if (column.Live(index) is { Count: > 0 } uses)
        {
            _sum.Add(ParameterUse.Squares(uses));
        }
    }

    public override LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts) => new DiagonalBlock(Name, Require(parts, "diagonal", dtype, shape => shape.AsSpan().SequenceEqual(_sum.Shape)));

    public override LayerBlock ToBlock(double weight)
    {
        using IDisposable noGrad = no_grad();
        return new DiagonalBlock(Name, _sum.Value.div(weight));
    }
}
