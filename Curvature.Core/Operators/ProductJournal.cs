using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// What lets a long job be killed at any moment and end with the same numbers: a file of its matrix-vector products, and of its readings of clock and memory, in the order in which they were asked for. Estimators and Krylov
/// methods are deterministic sequences of products (seeded probes, recurrences), so a job that starts anew with the same journal is answered from the file up to where it was killed, computes from there, and all that lies
/// between products is computed again: no method knows of it (<see cref="Record"/>).
/// <para>
/// Each record holds a SHA-256 of the question (operator, shape, the vector's bits) and one of the whole record. What a process that was killed left of a record, a record that is damaged, and one that answers another
/// question than is asked, are dropped with all behind them, told of, and computed again. Where nothing more can be written, because the disk is full, that is told once and the job goes on without.
/// </para>
/// <para>
/// Cost: P numbers on the disk for each product and a number a tensor for each quadratic form, a pass of SHA-256 over vector and product, and no memory beyond one product. A file belongs to one job, which <see cref="Open"/> compares, and to one process at a time.
/// Records are handed to the operating system whole and survive the process; of a machine that loses power those may be lost that were not yet on the disk.
/// </para>
/// </summary>
public sealed class ProductJournal : IDisposable
{
    /// <summary>The journal's name in its folder.</summary>
    public const string FileName = "products.journal";

    /// <summary>Bytes of a record beside its numbers.</summary>
    internal const int RecordBytes = JournalFile.RecordBytes;

    private readonly JournalFile? _file;
    private readonly IRanks _ranks;
    private readonly Action<string> _say;
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    private ProductJournal(JournalFile? file, IRanks ranks, Action<string> say)
    {
        (_file, _ranks, _say) = (file, ranks, say);
        if (file is { IsInPlace: true })
        {
            say($"{file.Path}: begun anew; another job's was there, and ended before its first product.");
        }

        (int products, TimeSpan before, long dropped) = file?.Survey() ?? default;
        if (dropped > 0)
        {
            say($"{file!.Path}: its last {dropped} bytes are no whole record, as a process leaves them that is killed while it writes, or they are damaged; they are dropped, and computed again.");
        }

        (Recorded, Before) = ((int)ranks.FromFirst(products), TimeSpan.FromSeconds(ranks.FromFirst(before.TotalSeconds)));
    }

    /// <summary>Products that were there when it was opened.</summary>
    public int Recorded { get; }

    /// <summary>The time that earlier runs of the job had spent up to the last record.</summary>
    public TimeSpan Before { get; }

    /// <summary>Products answered from the file so far.</summary>
    public int Replayed { get; private set; }

    /// <summary>Bytes on the disk; 0 on ranks that do not have the file.</summary>
    public long Size => _file?.Length ?? 0;

    /// <summary>Opens the journal of a job, or begins one.</summary>
    /// <param name="folder">Where it lies; created if missing.</param>
    /// <param name="job">All that the products depend on, by name: hashes of model and data, options, seed, threads, versions.</param>
    /// <param name="say">Told what is dropped and when the disk is full; null: nobody.</param>
    /// <param name="ranks">Those who do the job together, all of which open it, record and read alike; null: this process alone. Rank 0 has the file, and the others its answers.</param>
    /// <exception cref="CurvatureException">The folder holds the journal of another job (the message says what differs), a file that is no journal, one that another process has open, or cannot be written.</exception>
    public static ProductJournal Open(string folder, IReadOnlyList<KeyValuePair<string, string>> job, Action<string>? say = null, IRanks? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(job);
        ranks ??= OneRank.Instance;
        JournalFile? file = null;
        try
        {
            Exception? error = null;
            try
            {
                file = ranks.Rank == 0 ? JournalFile.Open(Path.Combine(folder, FileName), job) : null;
            }
            catch (CurvatureException refusal)
            {
                error = refusal;
            }

            RankErrors.Share(ranks, error);
            return new ProductJournal(file, ranks, say ?? (_ => { }));
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <summary>The operator whose products are recorded here. It owns neither the journal nor <paramref name="a"/>.</summary>
    /// <param name="a">The operator.</param>
    /// <param name="name">What tells it from the job's other operators.</param>
    public JournalledOperator Record(LinearOperator a, string name) => new(a, name, this);

    /// <summary>A number that differs from run to run, such as a time or free memory: measured in the first run, and the same ever after.</summary>
    /// <param name="name">What is measured.</param>
    /// <param name="measure">Measures it.</param>
    public double Reading(string name, Func<double> measure)
    {
        ArgumentNullException.ThrowIfNull(measure);
        return _ranks.FromFirst(_file is null ? 0 : OwnReading(_file, name, measure));
    }

    private double OwnReading(JournalFile file, string name, Func<double> measure)
    {
        byte[] key = SHA256.HashData(Encoding.UTF8.GetBytes($"reading {name}")), bytes = new byte[sizeof(double)];
        if (Find(file, key, 0, bytes.Length) && Read(file, read => read(bytes)))
        {
            return BitConverter.ToDouble(bytes);
        }

        double value = measure();
        BitConverter.TryWriteBytes(bytes, value);
        Append(file, key, 0, bytes.Length, write => write(bytes));
        return value;
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    /// <summary>A product <c>[rows, k]</c> with <c>V</c> of <c>[n, k]</c>, from the file or computed. Its memory is laid out by columns either way, so that what is made of it has the same bits.</summary>
    internal Tensor Product(string name, Tensor V, long rows, ScalarType dtype, Func<Tensor> multiply)
    {
        using DisposeScope scope = NewDisposeScope();
        long columns = V.shape[1], length = columns * rows * dtype.ElementSize();
        byte[]? key = _file is null ? null : Key(name, V);
        Tensor? found = _file is null ? null : Recall(_file, key, [columns, rows], dtype, length);
        if (_ranks.FromFirst(found is null ? 0 : 1) != 0)
        {
            Replayed += (int)columns;
            found = (found ?? zeros([columns, rows], dtype)).to(V.device);
            if (_ranks.Count > 1)
            {
                _ranks.Sum(found);
            }

            return found.t().MoveToOuterDisposeScope();
        }

        Tensor product = multiply().t().contiguous();
        if (_ranks.Count > 1)
        {
            product = product.add(0); // as a sum of the file's answer with the others' zeros, which knows no -0
        }

        if (_file is not null)
        {
            Tensor onHost = product.cpu();
            Append(_file, key, (int)columns, length, write => TensorBytes.ForEachPart(onHost, write));
        }

        return product.t().MoveToOuterDisposeScope();
    }

    private Tensor? Recall(JournalFile file, ReadOnlySpan<byte> key, long[] shape, ScalarType dtype, long length)
    {
        if (!Find(file, key, (int)shape[0], length))
        {
            return null;
        }

        Tensor found = empty(shape, dtype);
        return Read(file, read => TensorBytes.ForEachPart(found, read)) ? found : null;
    }

    private static byte[] Key(string name, Tensor V)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"product {V.dtype} [{V.shape[0]}, {V.shape[1]}] {name}")));
        using Tensor rows = V.t().contiguous().cpu();
        TensorBytes.ForEachPart(rows, part => hash.AppendData(part));
        return hash.GetHashAndReset();
    }

    /// <summary>Whether the next record answers the question; where it answers another one, the file ends before it.</summary>
    private bool Find(JournalFile file, ReadOnlySpan<byte> key, int columns, long length)
    {
        if (!file.HasNext)
        {
            return false;
        }

        if (file.NextIs(key, columns, length))
        {
            return true;
        }

        Forget(file, "asks for another product than the earlier run did");
        return false;
    }

    private bool Read(JournalFile file, Action<TensorBytes.PartAction> parts)
    {
        if (file.ReadNext(parts))
        {
            return true;
        }

        Forget(file, "finds a damaged record");
        return false;
    }

    private void Forget(JournalFile file, string reason)
    {
        _say($"{file.Path}: after {Replayed} products of {Recorded} this run {reason}; the rest of the journal is dropped and computed again.");
        file.Truncate();
    }

    private void Append(JournalFile file, ReadOnlySpan<byte> key, int columns, long length, Action<TensorBytes.PartAction> parts)
    {
        try
        {
            file.Append(key, columns, Before + _clock.Elapsed, length, parts);
        }
        catch (IOException error)
        {
            _say($"{AtomicFile.Refusal(file.Path, error)} The job goes on without a checkpoint; killed, it would be taken up from here.");
            file.Close();
        }
    }
}
