using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Curvature.Data;

namespace Curvature.Operators;

/// <summary>
/// The file of a <see cref="ProductJournal"/>. Head: <c>CURVJRNL</c>, the format's version, the length of a JSON object with the job's circumstances, the object, its SHA-256. Then records, one behind the other:
/// <c>"JREC", columns (int32), elapsed seconds (float64), bytes of the answer (int64), SHA-256 of the question, the answer, SHA-256 of all of it</c>, little-endian.
/// It is read from the front and written at the end; once all is read, or the rest was cut off, it only grows.
/// </summary>
internal sealed class JournalFile : IDisposable
{
    private const int Version = 1, HashSize = 32, RecordHead = 24 + HashSize, LargestJob = 1 << 20;
    private const uint Mark = 0x4345524A; // JREC

    /// <summary>Bytes of a record beside its numbers.</summary>
    public const int RecordBytes = RecordHead + HashSize;

    private static readonly byte[] Magic = "CURVJRNL"u8.ToArray();

    private readonly FileStream _stream;
    private long _next;
    private long _end;
    private bool _closed;

    private JournalFile(string path, FileStream stream, long first) => (Path, _stream, _next, _end) = (path, stream, first, first);

    public string Path { get; }

    /// <summary>Bytes of all that is whole.</summary>
    public long Length => _end;

    /// <summary>Whether it was begun in the place of another job's, which had no product yet.</summary>
    public bool IsInPlace { get; private init; }

    /// <summary>Whether there is a record that was not read yet.</summary>
    public bool HasNext => _next < _end;

    /// <summary>Opens the file of a job, or begins one, for this process alone; that of another job in which there is no product yet is begun anew.</summary>
    /// <exception cref="CurvatureException">Another job's, no journal, in use, or not to be written.</exception>
    public static JournalFile Open(string path, IReadOnlyList<KeyValuePair<string, string>> job)
    {
        FileStream? stream = null;
        try
        {
            AtomicFile.CheckFile(path);
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            byte[] head = Head(job), found = new byte[Math.Min(stream.Length, head.Length)];
            stream.ReadExactly(found);
            bool isOther = !head.AsSpan().StartsWith(found);
            if (!found.AsSpan().SequenceEqual(head))
            {
                if (isOther && !IsWithoutProducts(stream)) // else what was left of a head, or nothing, or what was refused before its first product
                {
                    throw Stranger(path, stream, job);
                }

                stream.SetLength(0);
                stream.Position = 0;
                stream.Write(head);
                stream.Flush(flushToDisk: true);
            }

            var file = new JournalFile(path, stream, head.Length) { IsInPlace = isOther };
            stream = null;
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CurvatureException(IsLocked(e) ? $"'{path}' is in use: another process works on the same checkpoint. Wait for it, or name another folder." : AtomicFile.Refusal(path, e), e);
        }
        finally
        {
            stream?.Dispose();
        }
    }

    /// <summary>Finds the end of what is whole, by the heads of the records; the rest is cut off. Tells how many products there are, the time at the last record, and how many bytes were cut off.</summary>
    public (int Products, TimeSpan Elapsed, long Dropped) Survey()
    {
        (int products, double elapsed, _end, _) = Survey(_stream, _end);
        long dropped = _stream.Length - _end;
        if (dropped > 0)
        {
            _stream.SetLength(_end);
        }

        return (products, TimeSpan.FromSeconds(elapsed), dropped);
    }

    /// <summary>Whether the next record answers this question.</summary>
    public bool NextIs(ReadOnlySpan<byte> key, int columns, long length)
    {
        Span<byte> head = stackalloc byte[RecordHead];
        _stream.Position = _next;
        _stream.ReadExactly(head);
        return BinaryPrimitives.ReadInt32LittleEndian(head[4..]) == columns && BinaryPrimitives.ReadInt64LittleEndian(head[16..]) == length && head[24..].SequenceEqual(key);
    }

    /// <summary>Reads the next answer and goes to the record behind it; false where its checksum is not that of what was read.</summary>
    public bool ReadNext(Action<TensorBytes.PartAction> parts)
    {
        byte[] head = new byte[RecordHead], expected = new byte[HashSize];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        _stream.Position = _next;
        _stream.ReadExactly(head);
        hash.AppendData(head);
        parts(part =>
        {
            _stream.ReadExactly(part);
            hash.AppendData(part);
        });
        _stream.ReadExactly(expected);
        if (!hash.GetHashAndReset().AsSpan().SequenceEqual(expected))
        {
            return false;
        }

        _next = _stream.Position;
        return true;
    }

    /// <summary>Cuts off what was not read.</summary>
    public void Truncate()
    {
        _end = _next;
        _stream.SetLength(_end);
    }

    /// <summary>Writes a record at the end: whole, or not at all.</summary>
    /// <exception cref="IOException">It cannot be written, whatever the system calls that.</exception>
    public void Append(ReadOnlySpan<byte> key, int columns, TimeSpan elapsed, long length, Action<TensorBytes.PartAction> parts)
    {
        if (_closed)
        {
            return;
        }

        byte[] head = new byte[RecordHead];
        BinaryPrimitives.WriteUInt32LittleEndian(head, Mark);
        BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(4), columns);
        BinaryPrimitives.WriteDoubleLittleEndian(head.AsSpan(8), elapsed.TotalSeconds);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(16), length);
        key.CopyTo(head.AsSpan(24));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            _stream.Position = _end;
            _stream.Write(head);
            hash.AppendData(head);
            parts(part =>
            {
                _stream.Write(part);
                hash.AppendData(part);
            });
            _stream.Write(hash.GetHashAndReset());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException or NotSupportedException) // the last two: larger than the file system allows
        {
            _stream.SetLength(_end);
            throw e as IOException ?? new IOException(e.Message, e);
        }

        _next = _end = _stream.Position;
    }

    /// <summary>Nothing more is written.</summary>
    public void Close() => _closed = true;

    public void Dispose() => _stream.Dispose();

    /// <summary>Products of the records from a place on, the seconds at the last, where they end, and whether behind them is no more than what a killed process leaves of one.</summary>
    private static (int Products, double Elapsed, long End, bool IsWhole) Survey(FileStream stream, long end)
    {
        (int products, double elapsed) = (0, 0);
        Span<byte> head = stackalloc byte[RecordHead];
        while (end + RecordHead <= stream.Length)
        {
            stream.Position = end;
            stream.ReadExactly(head);
            long length = BinaryPrimitives.ReadInt64LittleEndian(head[16..]);
            double at = BinaryPrimitives.ReadDoubleLittleEndian(head[8..]);
            int columns = BinaryPrimitives.ReadInt32LittleEndian(head[4..]);
            bool isHead = columns >= 0 && BinaryPrimitives.ReadUInt32LittleEndian(head) == Mark && length >= 0 && at >= 0 && at < TimeSpan.MaxValue.TotalSeconds / 2;
            if (!isHead || length > stream.Length - end - RecordHead - HashSize)
            {
                return (products, elapsed, end, isHead);
            }

            products += columns;
            elapsed = at;
            end += RecordHead + length + HashSize;
        }

        return (products, elapsed, end, true);
    }

    /// <summary>Whether a file is a journal, whole but for a record that was being written, in which readings of clock and memory are all that there is.</summary>
    private static bool IsWithoutProducts(FileStream stream)
    {
        byte[] start = new byte[Magic.Length + 8], hash = new byte[HashSize];
        stream.Position = 0;
        int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false), length = BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(12));
        if (read < start.Length || !start.AsSpan().StartsWith(Magic) || BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(8)) != Version || length is < 0 or > LargestJob || length > stream.Length - start.Length - HashSize)
        {
            return false;
        }

        byte[] text = new byte[length];
        stream.ReadExactly(text);
        stream.ReadExactly(hash);
        return hash.AsSpan().SequenceEqual(SHA256.HashData(text)) && Survey(stream, stream.Position) is { Products: 0, IsWhole: true };
    }

    private static byte[] Head(IReadOnlyList<KeyValuePair<string, string>> job)
    {
        var json = new JsonObject(job.Select(entry => KeyValuePair.Create(entry.Key, (JsonNode?)entry.Value)));
        byte[] text = Encoding.UTF8.GetBytes(json.ToJsonString());
        byte[] numbers = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(numbers, Version);
        BinaryPrimitives.WriteInt32LittleEndian(numbers.AsSpan(4), text.Length);
        return [.. Magic, .. numbers, .. text, .. SHA256.HashData(text)];
    }

    /// <summary>Why a file with another head is refused.</summary>
    private static CurvatureException Stranger(string path, FileStream stream, IReadOnlyList<KeyValuePair<string, string>> job)
    {
        byte[] start = new byte[Magic.Length + 8];
        stream.Position = 0;
        int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        if (read < start.Length || !start.AsSpan().StartsWith(Magic))
        {
            return new CurvatureException($"'{path}' is no journal of products. Name another folder for the checkpoint.");
        }

        (int version, int length) = (BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(8)), BinaryPrimitives.ReadInt32LittleEndian(start.AsSpan(12)));
        if (version != Version)
        {
            return new CurvatureException($"'{path}' is a journal of version {version}; this program writes version {Version}. Name another folder for the checkpoint.");
        }

        string[] differences = Job(stream, length) is { } theirs
            ? Differences(theirs, job.ToDictionary(entry => entry.Key, entry => entry.Value))
            : ["its beginning is damaged"];
        return new CurvatureException($"'{path}' belongs to another job: {string.Join("; ", differences)}. Repeat that job's command, or name another folder for the checkpoint.");
    }

    private static Dictionary<string, string>? Job(FileStream stream, int length)
    {
        if (length is < 0 or > LargestJob || length > stream.Length - stream.Position)
        {
            return null;
        }

        byte[] text = new byte[length];
        stream.ReadExactly(text);
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string[] Differences(Dictionary<string, string> theirs, Dictionary<string, string> ours)
    {
        string[] named = [.. ours.Keys.Union(theirs.Keys).Where(name => ours.GetValueOrDefault(name) != theirs.GetValueOrDefault(name))
            .Select(name => $"{name} was {theirs.GetValueOrDefault(name, "not given")} and is {ours.GetValueOrDefault(name, "not given")}")];
        return named.Length > 0 ? named : ["its beginning is damaged"];
    }

    private static bool IsLocked(Exception e) => e is IOException && (e.HResult & 0xFFFF) is 11 or 32; // EWOULDBLOCK, or a sharing violation
}
