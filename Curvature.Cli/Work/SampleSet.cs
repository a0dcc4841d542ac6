using Curvature.Data;
using Curvature.Distributed;
using Curvature.Objectives;

namespace Curvature.Cli.Work;

/// <summary>
/// Samples of a data file, or some of them. One process has read them all; of several ranks each reads what it goes over, when it first does, and nothing else.
/// </summary>
internal sealed class SampleSet : IDisposable
{
    private readonly Func<IReadOnlyList<long>, Dataset> _read; // by their places in the file, in the model's dtype and on its device
    private readonly IReadOnlyList<long> _rows;
    private readonly Dictionary<(long First, long End), Dataset> _stretches = [];
    private readonly bool _borrows; // what is all is another's
    private Dataset? _all;

    private SampleSet(IReadOnlyList<long> rows, Func<IReadOnlyList<long>, Dataset> read, Dataset? all, bool borrows = false) => (_rows, _read, _all, _borrows) = (rows, read, all, borrows);

    /// <summary>How many there are.</summary>
    public long Count => _rows.Count;

    /// <summary>Bytes of one with its target.</summary>
    public double BytesOfSample
    {
        get
        {
            using Dataset? one = _all is null ? One() : null;
            return (_all ?? one!).BytesOfSample;
        }
    }

    /// <summary>Opens a data file, and reads it where there is one process.</summary>
    /// <param name="specification">As <see cref="DataFile.Read"/> takes it.</param>
    /// <param name="options">How to read it.</param>
    /// <param name="placed">The samples in the model's dtype, on its device.</param>
    /// <param name="ranks">Those who share the samples; the first one compares the file's checksums.</param>
    /// <exception cref="DataFormatException">What is wrong with the file.</exception>
    public static SampleSet Open(string specification, DataOptions options, Func<Dataset, Dataset> placed, IRanks ranks)
    {
        if (ranks.Count == 1)
        {
            using Dataset read = DataFile.Read(specification, options);
            Dataset whole = placed(read);
            return new SampleSet(Dataset.Subset(whole.Count, whole.Count, 0), whole.Select, whole);
        }

        SampleFile file = DataFile.Open(specification, options);
        if (ranks.Rank == 0)
        {
            file.Verify();
        }

        return new SampleSet(
            Dataset.Subset(file.Count, file.Count, 0),
            rows =>
            {
                using Dataset read = file.Read(rows);
                return placed(read);
            },
            null);
    }

    /// <summary>A seeded subset, the same as <see cref="Dataset.Sample"/> takes and on every rank; not read before it is asked for. To be disposed before these.</summary>
    /// <param name="count">How many; as many as there are, or more: all, in order.</param>
    /// <param name="seed">Chooses them.</param>
    public SampleSet Choose(long count, int seed) => count >= Count && _all is not null
        ? new(_rows, _read, _all, borrows: true)
        : Select(Dataset.Subset(Count, count, seed));

    /// <summary>Some of them, in the order asked for; not read before they are asked for. To be disposed before these.</summary>
    /// <param name="places">Their places among these.</param>
    public SampleSet Select(IEnumerable<long> places) => new([.. places.Select(i => _rows[(int)i])], _read, null);

    /// <summary>All of them, on this process; kept until these are disposed.</summary>
    public Dataset All() => _all ??= _read(_rows);

    /// <summary>The first one alone. The caller disposes it.</summary>
    public Dataset One() => _read([_rows[0]]);

    /// <summary>This process's share of the batches, which it alone reads; none where there are more ranks than batches.</summary>
    /// <param name="batchSize">How many samples at once.</param>
    /// <param name="ranks">Those who share them.</param>
    public IReadOnlyList<Batch> Share(long batchSize, IRanks ranks)
    {
        if (ranks.Count == 1 || _all is not null)
        {
            return Shard.Of(All().Batches(batchSize), ranks);
        }

        Range own = Shard.Of(checked((int)((Count + batchSize - 1) / batchSize)), ranks);
        (long first, long end) = (own.Start.Value * batchSize, Math.Min(Count, own.End.Value * batchSize));
        if (first >= end)
        {
            return [];
        }

        if (!_stretches.TryGetValue((first, end), out Dataset? stretch))
        {
            _stretches[(first, end)] = stretch = _read([.. _rows.Skip((int)first).Take((int)(end - first))]);
        }

        return stretch.Batches(batchSize);
    }

    public void Dispose()
    {
        if (!_borrows)
        {
            _all?.Dispose();
        }

        foreach (Dataset stretch in _stretches.Values)
        {
            stretch.Dispose();
        }
    }
}
