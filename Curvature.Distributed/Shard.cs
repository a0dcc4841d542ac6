using Curvature.Data;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Distributed;

/// <summary>
/// What each rank takes of the data: one stretch, as even as can be, in the order of the ranks, so that the shards one after the other are the data. A rank may get nothing where there are fewer parts than ranks; it
/// takes part in everything all the same.
/// </summary>
public static class Shard
{
    /// <summary>From where to where rank r of n goes over some items: <c>[r count / n, (r + 1) count / n)</c>.</summary>
    public static Range Of(int count, IRanks ranks)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        return (int)((long)ranks.Rank * count / ranks.Count)..(int)((ranks.Rank + 1L) * count / ranks.Count);
    }

    /// <summary>This rank's batches.</summary>
    /// <param name="batches">All batches, the same on every rank; those of others are not looked at.</param>
    /// <param name="ranks">The ranks.</param>
    public static IReadOnlyList<TBatch> Of<TBatch>(IReadOnlyList<TBatch> batches, IRanks ranks)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return new Stretch<TBatch>(batches, Of(batches.Count, ranks));
    }

    /// <summary>This rank's rows of a batch, for a training step.</summary>
    /// <param name="batch">All rows, the same on every rank.</param>
    /// <param name="ranks">The ranks.</param>
    /// <returns>Views of them in the caller's scope; of no rows where there are fewer than ranks.</returns>
    public static Batch Of(Batch batch, IRanks ranks)
    {
        ArgumentNullException.ThrowIfNull(batch);
        (int first, int count) = Of((int)batch.Targets.shape[0], ranks).GetOffsetAndLength((int)batch.Targets.shape[0]);
        return new Batch(batch.Inputs.narrow(0, first, count), batch.Targets.narrow(0, first, count));
    }

    /// <summary>This rank's samples, in batches of their own: nearer to even than <see cref="Of{TBatch}(IReadOnlyList{TBatch}, IRanks)"/>, and batches then depend on the number of ranks.</summary>
    /// <param name="data">All samples, the same on every rank. The batches are views of it, as those of <see cref="Dataset.Batches"/>.</param>
    /// <param name="batchSize">Samples in a batch.</param>
    /// <param name="ranks">The ranks.</param>
    public static IReadOnlyList<Batch> Of(Dataset data, long batchSize, IRanks ranks)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (batchSize < 1)
        {
            throw new CurvatureException($"Expected a batch size of at least 1; got {batchSize}.");
        }

        (int first, int count) = Of((int)data.Count, ranks).GetOffsetAndLength((int)data.Count);
        return new SampleBatches(data, first, count, batchSize);
    }

    /// <summary>Some batches of a list, made when they are asked for.</summary>
    private sealed class Stretch<TBatch>(IReadOnlyList<TBatch> all, Range range) : IReadOnlyList<TBatch>
    {
        public int Count => range.End.Value - range.Start.Value;

        public TBatch this[int index] => index >= 0 && index < Count ? all[range.Start.Value + index] : throw new ArgumentOutOfRangeException(nameof(index));

        public IEnumerator<TBatch> GetEnumerator()
        {
            for (int i = 0; i < Count; i++)
            {
                yield return this[i];
            }
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    /// <summary>Some samples of a dataset in batches, as views made when they are asked for.</summary>
    private sealed class SampleBatches(Dataset data, long first, long count, long size) : IReadOnlyList<Batch>
    {
        public int Count => (int)((count + size - 1) / size);

        public Batch this[int index]
        {
            get
            {
                ArgumentOutOfRangeException.ThrowIfNegative(index);
                ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
                long start = index * size, length = Math.Min(size, count - start);
                Tensor inputs = data.Inputs.narrow(0, first + start, length);
                return new Batch(inputs, data.Targets.narrow(0, first + start, length));
            }
        }

        public IEnumerator<Batch> GetEnumerator()
        {
            for (int i = 0; i < Count; i++)
            {
                yield return this[i];
            }
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
