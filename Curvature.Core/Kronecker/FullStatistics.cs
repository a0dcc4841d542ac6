using Curvature.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>The whole block of a few parameters from per-sample gradients, <c>(1/W) sum_n g_n g_n^T</c>, positions summed first: exact where g is.</summary>
/// <param name="name">The block.</param>
/// <param name="indices">Its parameters.</param>
/// <param name="sizes">Their entries.</param>
/// <param name="dtype">Of the block.</param>
/// <param name="device">Where it lies.</param>
internal sealed class FullStatistics(string name, IReadOnlyList<int> indices, IReadOnlyList<long> sizes, ScalarType dtype, Device device)
    : LayerStatistics(name, indices, BlockKind.Full)
{
    private readonly DecayedSum _sum = new([sizes.Sum(), sizes.Sum()], dtype, device);

    public override IReadOnlyList<(string Key, DecayedSum Sum)> Sums => [("block", _sum)];

    public override void AddGradients(PulledBack column)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor?[] parts = [.. Indices.Select(i => PerSample(column.Live(i)))];
        if (parts.FirstOrDefault(part => part is not null) is { } some)
        {
            Tensor X = cat([.. parts.Select((part, k) => part ?? zeros([some.shape[0], sizes[k]], some.dtype, some.device))], 1);
            _sum.Add(X.t().mm(X));
        }
    }

    public override LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts) => new FullBlock(Name, Require(parts, "matrix", dtype, shape => shape.AsSpan().SequenceEqual(_sum.Shape)));

    public override LayerBlock ToBlock(double weight)
    {
        using IDisposable noGrad = no_grad();
        return new FullBlock(Name, _sum.Value.div(weight));
    }

    private static Tensor? PerSample(IReadOnlyList<(ParameterUse Use, Tensor G)> uses) =>
        uses.Count == 0 ? null : uses.Select(u => u.Use.Gradients(u.G, 0, u.Use.Samples)).Aggregate((a, b) => a.add(b));
}
