using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <content>
/// Several ranks in training: what their parts of a batch bring of a layer is summed on the rank that the layer belongs to, and only there are its factors. Everything else (kinds of blocks, weights, numbers of updates) is the
/// same on all of them.
/// </content>
public sealed partial class KfacFactors
{
    private bool? _isBroken; // whether a rank's sums of its layers are not finite; null: each looks at all of them itself

    /// <summary>To which rank each layer belongs; set before the first batch.</summary>
    internal LayerShares Shares { get; init; } = LayerShares.Alone;

    /// <summary>The blocks that belong to this rank.</summary>
    internal IEnumerable<LayerStatistics> Own => Blocks.Where(b => Shares.IsOwn(b.Indices));

    private IReadOnlyList<LayerStatistics> Blocks => _registration?.Blocks ?? [];

    /// <summary>A division of a model's layers among ranks by what renewing their inverses costs, which its shapes tell: the same before any batch has been seen, and on all ranks.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="largestBlock">Rows of the largest matrix that is inverted; null: any.</param>
    internal LayerShares Divided(IRanks ranks, long? largestBlock)
    {
        double Cost(long[] shape) => shape.Aggregate(1.0, (size, side) => size * side) * (shape.Length > 1 && shape[^1] == shape[^2] ? Math.Min(shape[^1], largestBlock ?? long.MaxValue) : 1);
        LayerRegistration foreseen = new(_layers, Parameters, Options, _layers.Obstacles); // its sums are never looked at, and take no memory
        return LayerShares.Of(ranks, Parameters.Parameters.Count, [.. foreseen.Blocks.Select(b => (b.Indices, b.Sums.Sum(s => Cost(s.Sum.Shape))))]);
    }

    /// <summary><c>v^T F v</c>, <c>[]</c>; with several ranks of the blocks of this one alone, so that it is their sum.</summary>
    /// <param name="v"><c>[P]</c>.</param>
    internal Tensor OwnForm(Tensor v)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor form = zeros([], Parameters.DType, Parameters.Device);
        foreach ((LayerBlock block, IReadOnlyList<int> indices) in ToBlocks())
        {
            using (block)
            {
                Tensor part = cat([.. indices.Select(i => v.narrow(0, Parameters.Offset(i), Parameters.Parameters[i].numel()))]);
                form = form.add(block.Times(part).mul(part).sum());
            }
        }

        return form.MoveToOuterDisposeScope();
    }

    /// <summary>Adds up what the ranks' parts have brought, each of them with the same blocks, a layer's on the rank that it belongs to; collective.</summary>
    private void SumOver(IRanks ranks)
    {
        if (Updates == 0)
        {
            RegisterAlike(ranks);
        }

        double[][] all = [.. ranks.Gather(_present, _parts, _isRaw ? 1 : 0, _isSum ? 1 : 0, Blocks.Max(b => (int?)b.Columns) ?? 0).Chunk(5)];
        if (all.Sum(rank => rank[1]) == 0)
        {
            return; // no rank has terms
        }

        (_isRaw, _isSum) = (all.Any(rank => rank[2] > 0), all.Any(rank => rank[3] > 0));
        (_present, _parts, _isBroken) = (_isSum ? 1 : all.Sum(rank => rank[0]), (int)all.Sum(rank => rank[1]), false);
        int columns = (int)all.Max(rank => rank[4]);
        for (int rank = 0; rank < ranks.Count; rank++)
        {
            LayerStatistics[] theirs = [.. Blocks.Where(b => Shares.OwnerOf(b.Indices) == rank)];
            ranks.SumTo([.. theirs.SelectMany(b => b.Brought(columns))], rank);
            foreach (LayerStatistics block in rank == ranks.Rank ? [] : theirs)
            {
                block.Drop();
            }
        }
    }

    /// <summary>Tells all ranks whether what each has of its layers is finite; collective.</summary>
    private void Judge(IRanks ranks)
    {
        if (_isBroken is null)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor[] own = [.. Own.SelectMany(b => b.Sums).Select(s => s.Sum.Present).OfType<Tensor>()];
        bool isFinite = own.Length == 0 || double.IsFinite(stack(own.Select(sum => sum.sum(ScalarType.Float64))).sum().ToDouble()) || own.All(Finite.Everywhere);
        _isBroken = ranks.Sum(isFinite ? 0 : 1) > 0;
    }

    /// <summary>The same blocks on every rank: one without data takes over what the first with some has found; collective.</summary>
    private void RegisterAlike(IRanks ranks)
    {
        double[][] kinds = [.. ranks.Gather([.. _registration is null ? Parameters.Parameters.Select(_ => -1.0) : Kinds(_registration).Select(kind => (double)kind)]).Chunk(Parameters.Parameters.Count)];
        int holder = Array.FindIndex(kinds, found => found[0] >= 0);
        if (holder < 0)
        {
            return; // no rank has data
        }

        if (Array.FindIndex(kinds, found => found[0] >= 0 && !found.AsSpan().SequenceEqual(kinds[holder])) is >= 0 and int other)
        {
            int i = Enumerable.Range(0, kinds[holder].Length).First(i => kinds[other][i] != kinds[holder][i]);
            throw new CurvatureException(
                $"The parameter '{Parameters.Names[i]}' has other uses in the first batch of rank {other} than in that of rank {holder}. Give each rank batches of at least two rows that go through the same layers.");
        }

        _registration ??= Registering([.. kinds[holder].Select(kind => (long)kind)], "so it was found on another rank");
    }
}
