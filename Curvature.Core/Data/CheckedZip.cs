using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Curvature.Data;

/// <summary>
/// A zip archive (stored and deflated entries, zip64; APPNOTE 6.3) read with every length, offset and CRC-32 checked. .NET's reader and
/// libtorch's both pass bad checksums; here a cut or flipped archive is a <see cref="DataFormatException"/> before anything uses it.
/// Stricter than the format: no archive comment, no bytes between the parts, one part only, no encryption, local headers that repeat
/// the central directory, entries that neither overlap nor share a name. numpy, PyTorch and .NET write such archives.
/// </summary>
internal sealed class CheckedZip : IDisposable
{
    private const int EndLength = 22;
    private const int End64Length = 56;
    private const int Locator64Length = 20;
    private const int CentralLength = 46;
    private const int LocalLength = 30;
    private const int LongestDirectory = 1 << 28;

    private readonly FileStream _file;
    private readonly string _path;
    private readonly Dictionary<string, ZipEntry> _byName = new(StringComparer.Ordinal);

    private CheckedZip(FileStream file, string path)
    {
        _file = file;
        _path = path;
        Entries = ReadDirectory();
        CheckOverlap();
    }

    /// <summary>The entries, in the order of the central directory.</summary>
    public IReadOnlyList<ZipEntry> Entries { get; }

    /// <summary>The archive itself, for what is read by its place.</summary>
    public SafeFileHandle File => _file.SafeFileHandle;

    /// <summary>Opens an archive and checks its directory; the contents are checked as they are read.</summary>
    public static CheckedZip Open(string path)
    {
        FileStream file = InputFile.Open(path);
        try
        {
            return new CheckedZip(file, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>True where the file starts like a zip archive.</summary>
    public static bool Looks(FileStream file)
    {
        Span<byte> magic = stackalloc byte[4];
        file.Position = 0;
        bool zip = file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("PK\u0003\u0004"u8);
        file.Position = 0;
        return zip;
    }

    /// <summary>The entry of that name, or null.</summary>
    public ZipEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The contents of an entry; checked once read to the end.</summary>
    public Stream Open(ZipEntry entry) => new ZipEntryStream(_file, entry, _path);

    /// <summary>Reads entries to their ends, so that their checksums are checked.</summary>
    public void Verify(IEnumerable<ZipEntry> entries)
    {
        byte[] buffer = new byte[1 << 16];
        foreach (ZipEntry entry in entries)
        {
            using Stream contents = Open(entry);
            while (contents.Read(buffer) > 0)
            {
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private List<ZipEntry> ReadDirectory()
    {
        (long count, long offset, long length) = FindDirectory();
        if (length > LongestDirectory || count > length / CentralLength)
        {
            throw Corrupt("a directory of reasonable size", $"{count} entries in {length} bytes");
        }

        byte[] directory = Bytes(offset, (int)length);
        var entries = new List<ZipEntry>((int)count);
        int at = 0;
        while (at < directory.Length)
        {
            ZipEntry entry = ReadEntry(directory.AsSpan(at), offset, out int used);
            if (!_byName.TryAdd(entry.Name, entry))
            {
                throw Corrupt("entries with names of their own", $"'{entry.Name}' twice");
            }

            entries.Add(entry);
            at += used;
        }

        return entries.Count == count ? entries : throw Corrupt($"{count} entries", $"{entries.Count}");
    }

    /// <summary>Where the central directory is, from the end record and, where there is one, the zip64 end record before it.</summary>
    private (long Count, long Offset, long Length) FindDirectory()
    {
        long at = _file.Length - EndLength;
        ReadOnlySpan<byte> end = at < 0 ? default : Bytes(at, EndLength);
        if (end.IsEmpty || U32(end, 0) != 0x06054B50 || U32(end, 4) != 0 || U16(end, 20) != 0)
        {
            throw Corrupt("a zip archive's end record", "other bytes");
        }

        long count = U16(end, 10), length = U32(end, 12), offset = U32(end, 16), directoryEnd = at;
        bool agrees = U16(end, 8) == count;
        ReadOnlySpan<byte> locator = at < Locator64Length ? default : Bytes(at - Locator64Length, Locator64Length);
        if (!locator.IsEmpty && U32(locator, 0) == 0x07064B50)
        {
            directoryEnd = at - Locator64Length - End64Length;
            ReadOnlySpan<byte> end64 = directoryEnd < 0 ? default : Bytes(directoryEnd, End64Length);
            agrees = agrees && !end64.IsEmpty && I64(locator, 8) == directoryEnd && U32(end64, 0) == 0x06064B50
                && I64(end64, 4) == End64Length - 12 && I64(end64, 24) == I64(end64, 32)
                && U32(locator, 4) == 0 && U32(locator, 16) == 1 && I64(end64, 16) == 0 // one part, and this is it
                && Saturates(count, 0xFFFF, I64(end64, 32)) && Saturates(length, uint.MaxValue, I64(end64, 40))
                && Saturates(offset, uint.MaxValue, I64(end64, 48));
            (count, length, offset) = agrees ? (I64(end64, 32), I64(end64, 40), I64(end64, 48)) : default;
        }

        return agrees && count >= 0 && length >= 0 && offset >= 0 && offset <= directoryEnd && length == directoryEnd - offset
            ? (count, offset, length)
            : throw Corrupt("end records that agree with each other and with the length of the file", "others");
    }

    private ZipEntry ReadEntry(ReadOnlySpan<byte> record, long directoryOffset, out int used)
    {
        if (record.Length < CentralLength || U32(record, 0) != 0x02014B50 || U16(record, 34) != 0)
        {
            throw Corrupt("a directory entry", "other bytes");
        }

        int nameLength = U16(record, 28), extraLength = U16(record, 30);
        used = CentralLength + nameLength + extraLength + U16(record, 32);
        if (used > record.Length)
        {
            throw Corrupt("a whole directory entry", "a cut one");
        }

        ReadOnlySpan<byte> nameBytes = record.Slice(CentralLength, nameLength);
        string name = Encoding.UTF8.GetString(nameBytes);
        int flags = U16(record, 8), method = U16(record, 10);
        if ((flags & 0x2041) != 0 || method is not (0 or 8))
        {
            throw new DataFormatException(
                _path,
                $"entry '{name}' stored or deflated",
                $"method {method}, flags {flags:x}",
                "write it without encryption and special compression");
        }

        long length = U32(record, 24), compressed = U32(record, 20), header = U32(record, 42);
        Widen(record.Slice(CentralLength + nameLength, extraLength), ref length, ref compressed, ref header);
        bool folder = (U32(record, 38) & 0x10) != 0; // libtorch takes such an entry for empty and leaves its tensor uninitialized
        bool sane = !(folder && length > 0) && length >= 0 && compressed >= 0 && header >= 0 && header <= directoryOffset - LocalLength
            && (method == 8 ? length <= GzipReader.Bound(compressed) : length == compressed);
        if (!sane)
        {
            throw Corrupt($"kind, lengths and offset of entry '{name}' that fit the file", $"{length} from {compressed} bytes at {header}");
        }

        ReadOnlySpan<byte> local = Bytes(header, LocalLength);
        long data = header + LocalLength + U16(local, 26) + U16(local, 28);
        if (U32(local, 0) != 0x04034B50 || data > directoryOffset || compressed > directoryOffset - data || U16(local, 26) != nameLength
            || !nameBytes.SequenceEqual(Bytes(header + LocalLength, nameLength)) || U16(local, 6) != flags || U16(local, 8) != method
            || !Repeats(U32(local, 14), U32(record, 16), flags) || !Repeats(U32(local, 18), compressed, flags)
            || !Repeats(U32(local, 22), length, flags))
        {
            throw Corrupt($"a local header of '{name}' that agrees with the directory", "another");
        }

        return new ZipEntry(name, method == 8, U32(record, 16), compressed, length, header, data);
    }

    /// <summary>Takes the values that do not fit 32 bits from the zip64 extra field, in its fixed order.</summary>
    private void Widen(ReadOnlySpan<byte> extra, ref long length, ref long compressed, ref long header)
    {
        if (length != uint.MaxValue && compressed != uint.MaxValue && header != uint.MaxValue)
        {
            return;
        }

        while (extra.Length >= 4)
        {
            int size = Math.Min(U16(extra, 2), extra.Length - 4);
            ReadOnlySpan<byte> field = extra.Slice(4, size);
            if (U16(extra, 0) == 1)
            {
                length = Next(ref field, length);
                compressed = Next(ref field, compressed);
                header = Next(ref field, header);
                return;
            }

            extra = extra[(4 + size)..];
        }

        throw Corrupt("a zip64 field for a large entry", "none");

        long Next(ref ReadOnlySpan<byte> field, long value)
        {
            if (value != uint.MaxValue)
            {
                return value;
            }

            long wide = field.Length < 8 ? throw Corrupt("a whole zip64 field", "a cut one") : I64(field, 0);
            field = field[8..];
            return wide;
        }
    }

    private void CheckOverlap()
    {
        long end = 0;
        foreach (ZipEntry entry in Entries.OrderBy(entry => entry.HeaderOffset))
        {
            if (entry.HeaderOffset < end)
            {
                throw Corrupt("entries beside each other", $"'{entry.Name}' overlapping another");
            }

            end = entry.DataOffset + entry.CompressedLength;
        }
    }

    private byte[] Bytes(long offset, int length)
    {
        byte[] bytes = new byte[length];
        _file.Position = offset;
        if (_file.ReadAtLeast(bytes, length, throwOnEndOfStream: false) < length)
        {
            throw Corrupt("more bytes", "the end of the file");
        }

        return bytes;
    }

    /// <summary>
    /// A local header repeats a value of the directory; it may leave it to a record behind the data (flag 8) or to zip64.
    /// </summary>
    private static bool Repeats(uint local, long value, int flags) =>
        local == value || local == uint.MaxValue || (local == 0 && (flags & 8) != 0);

    private static bool Saturates(long narrow, long limit, long wide) => narrow == wide || narrow == limit;

    private static int U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static long I64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes[at..]);

    private DataFormatException Corrupt(string expected, string got) => DataFormatException.Corrupt(_path, expected, got);
}
