namespace Curvature.Data;

/// <summary>
/// The samples of a data file of which some are read at a time, and no others are kept in memory: a rank's share, or a subset. What <see cref="DataFile.Read"/> reads as a whole, with the same checks and conversions, of the rows that are read.
/// <para>
/// Rows of uncompressed <c>.npz</c> (<c>np.savez</c>), <c>.safetensors</c> and IDX files are found by their place, and no others are read. Compressed files (<c>np.savez_compressed</c>, <c>.gz</c>) and CSV have no such places: each reading passes
/// over the file from its beginning and keeps what was asked for; a column-major array is read whole and then thinned. Memory is that of the rows asked for, but for the last.
/// </para>
/// </summary>
public sealed class SampleFile
{
    private readonly Func<IReadOnlyList<long>, Dataset> _read;
    private readonly Action _verify;

    internal SampleFile(string name, long count, Func<IReadOnlyList<long>, Dataset> read, Action? verify = null) => (Name, Count, _read, _verify) = (name, count, read, verify ?? (() => { }));

    /// <summary>Where the samples come from.</summary>
    public string Name { get; }

    /// <summary>N, the samples in the file.</summary>
    public long Count { get; }

    /// <summary>Some samples, in the order asked for. The caller disposes them.</summary>
    /// <param name="rows">Their places in the file, from 0, each once; at least one.</param>
    /// <exception cref="DataFormatException">The file is cut or was changed, or one of these samples is not finite.</exception>
    public Dataset Read(IReadOnlyList<long> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return rows.Count > 0 && rows.All(row => row >= 0 && row < Count)
            ? _read(rows)
            : throw new CurvatureException($"{Name}: expected at least one row from 0 to {Count - 1}; got {(rows.Count == 0 ? "none" : $"{rows.First(row => row < 0 || row >= Count)}")}.");
    }

    /// <summary>
    /// All samples in order, <paramref name="batchSize"/> at a time, the last batch with what is left: read anew in each pass over them, one batch in memory at a time, whatever the size of the file. A batch is valid until the next one is asked for.
    /// Compressed files and CSV are passed over for each batch: take them apart first (<c>gunzip</c>, <c>np.savez</c>), or read them whole.
    /// </summary>
    /// <exception cref="CurvatureException"><paramref name="batchSize"/> is not positive.</exception>
    public IEnumerable<Batch> Batches(long batchSize) => batchSize > 0
        ? Stream(Math.Min(batchSize, Count))
        : throw new CurvatureException($"{Name}: expected a batch size of at least 1, got {batchSize}; ask for 1 to {Count}.");

    /// <summary>Passes over the file and compares the checksums of what rows read by their place leave unlooked at; nothing to do for formats without, or that are passed over anyway. One rank is enough.</summary>
    /// <exception cref="DataFormatException">The file is damaged.</exception>
    public void Verify() => _verify();

    private IEnumerable<Batch> Stream(long size)
    {
        for (long first = 0; first < Count; first += size)
        {
            long[] rows = [.. Enumerable.Range(0, (int)Math.Min(size, Count - first)).Select(row => first + row)];
            using Dataset batch = Read(rows);
            yield return new Batch(batch.Inputs, batch.Targets);
        }
    }

    /// <summary>Samples of two arrays of a file, or of two files.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="inputs">Shape of the inputs.</param>
    /// <param name="targets">Shape of the targets.</param>
    /// <param name="read">Rows of both.</param>
    /// <param name="verify">Compares checksums.</param>
    internal static SampleFile OfArrays(string name, IReadOnlyList<long> inputs, IReadOnlyList<long> targets, Func<IReadOnlyList<long>, Dataset> read, Action? verify = null)
    {
        if (inputs.Count == 0 || targets.Count == 0 || inputs[0] != targets[0])
        {
            throw new DataFormatException(name, "inputs and targets with the same number of rows", $"inputs {InputFile.Show(inputs)} and targets {InputFile.Show(targets)}", "give one target for each sample");
        }

        return inputs[0] > 0 ? new SampleFile(name, inputs[0], read, verify) : throw new DataFormatException(name, "at least 1 sample", "none", "give data with samples in it");
    }
}
