using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>Nothing: the parameter is frozen, and its derivatives are zero.</summary>
/// <param name="name">The parameter.</param>
/// <param name="index">Its position.</param>
/// <param name="size">Its entries.</param>
/// <param name="dtype">Of the block.</param>
/// <param name="device">Where it lies.</param>
internal sealed class ZeroStatistics(string name, int index, long size, ScalarType dtype, Device device) : LayerStatistics(name, [index], BlockKind.Zero)
{
    public override IReadOnlyList<(string Key, DecayedSum Sum)> Sums => [];

    public override void AddGradients(PulledBack column)
    {
    }

    public override LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts) => new DiagonalBlock(Name, Require(parts, "diagonal", dtype, shape => shape is [var entries] && entries == size));

    public override LayerBlock ToBlock(double weight) => new DiagonalBlock(Name, zeros(size, dtype, device));
}
