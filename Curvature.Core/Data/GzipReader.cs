using System.Buffers.Binary;
using System.IO.Compression;

namespace Curvature.Data;

/// <summary>
/// Decompresses a gzip file (RFC 1952), one or several members, and checks each member's CRC-32 and length. .NET's own reader ends
/// without a word at a cut stream, a missing trailer and bytes behind the end; here each of them is a
/// <see cref="DataFormatException"/>. The checks of the last member run when the reader reaches the end, so a caller reads until it
/// gets 0 bytes.
/// </summary>
internal sealed class GzipReader(FileStream file, string path) : ForwardStream
{
    private const int TrailerLength = 8;
    private const int LongestText = 1 << 16;

    private DeflateStream? _member;
    private StreamWindow _compressed = new(file, 0, 0);
    private long _position;
    private uint _crc;
    private uint _count;

    /// <summary>The file's bytes: decompressed where it starts with gzip's two magic bytes, as they are otherwise.</summary>
    public static Stream OpenFile(string path)
    {
        FileStream file = InputFile.Open(path);
        bool zipped = file.ReadByte() == 0x1F && file.ReadByte() == 0x8B;
        file.Position = 0;
        return zipped ? new GzipReader(file, path) : file;
    }

    /// <summary>
    /// The most bytes that <paramref name="length"/> bytes of deflate data can stand for: 258 bytes in two bits, and a little slack.
    /// </summary>
    public static long Bound(long length) => (length + 64) * 1032;

    public override int Read(Span<byte> buffer)
    {
        while (!buffer.IsEmpty && (_member is not null || BeginMember()))
        {
            int read = Inflate(buffer);
            if (read > 0)
            {
                _crc = Crc32.Append(_crc, buffer[..read]);
                _count += (uint)read;
                return read;
            }

            EndMember();
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _member?.Dispose();
            file.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Inflate(Span<byte> buffer)
    {
        try
        {
            return _member!.Read(buffer);
        }
        catch (InvalidDataException e)
        {
            throw DataFormatException.Corrupt(path, "compressed data", "bytes that do not decompress", e);
        }
    }

    private bool BeginMember()
    {
        if (_position == file.Length && _position > 0)
        {
            return false;
        }

        file.Position = _position;
        SkipHeader();
        _compressed = new StreamWindow(file, file.Position, file.Length - file.Position);
        _member = new DeflateStream(_compressed, CompressionMode.Decompress, leaveOpen: true);
        _crc = 0;
        _count = 0;
        return true;
    }

    private void SkipHeader()
    {
        uint headerCrc = 0;
        Span<byte> fixedPart = stackalloc byte[10];
        Take(fixedPart, ref headerCrc);
        byte flags = fixedPart[3];
        if (!fixedPart.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B, 8]) || (flags & 0xE0) != 0)
        {
            throw DataFormatException.Corrupt(path, "a gzip header", "other bytes");
        }

        if ((flags & 4) != 0)
        {
            Span<byte> length = stackalloc byte[2];
            Take(length, ref headerCrc);
            Take(new byte[BinaryPrimitives.ReadUInt16LittleEndian(length)], ref headerCrc);
        }

        if ((flags & 8) != 0)
        {
            SkipText(ref headerCrc);
        }

        if ((flags & 16) != 0)
        {
            SkipText(ref headerCrc);
        }

        if ((flags & 2) != 0)
        {
            uint computed = headerCrc & 0xFFFF;
            Span<byte> stored = stackalloc byte[2];
            Take(stored, ref headerCrc);
            if (BinaryPrimitives.ReadUInt16LittleEndian(stored) != computed)
            {
                throw DataFormatException.Corrupt(path, "a gzip header that agrees with its checksum", "another");
            }
        }
    }

    private void SkipText(ref uint headerCrc)
    {
        Span<byte> one = stackalloc byte[1];
        for (int i = 0; i < LongestText; i++)
        {
            Take(one, ref headerCrc);
            if (one[0] == 0)
            {
                return;
            }
        }

        throw DataFormatException.Corrupt(path, "a file name of reasonable length in the gzip header", "more than 64 KiB");
    }

    private void Take(Span<byte> bytes, ref uint headerCrc)
    {
        if (file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw DataFormatException.Corrupt(path, "a whole gzip header", "the end of the file");
        }

        headerCrc = Crc32.Append(headerCrc, bytes);
    }

    /// <summary>
    /// The decompressor does not tell where its data ended, only that it lies in the last block it took. Behind it stand the eight
    /// bytes of checksum and length, both known by now: they are looked for, and what follows must be the end or another member.
    /// </summary>
    private void EndMember()
    {
        _member!.Dispose();
        _member = null;
        Span<byte> trailer = stackalloc byte[TrailerLength];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, _crc);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[4..], _count);

        long start = _compressed.LastBlockStart;
        long end = Math.Min(_compressed.LastBlockEnd + TrailerLength + 2, file.Length);
        byte[] tail = new byte[end - start];
        file.Position = start;
        file.ReadExactly(tail);
        bool found = false;
        for (int at = tail.AsSpan().IndexOf(trailer); at >= 0; at = NextMatch(tail, trailer, at + 1))
        {
            found = true;
            ReadOnlySpan<byte> rest = tail.AsSpan(at + TrailerLength);
            if (start + at + TrailerLength == file.Length || rest.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]))
            {
                _position = start + at + TrailerLength;
                return;
            }
        }

        throw found
            ? DataFormatException.Corrupt(path, "the end of the file behind the gzip data", "more bytes")
            : DataFormatException.Corrupt(path, "gzip data that agree with their checksum and length", "others");
    }

    private static int NextMatch(byte[] tail, ReadOnlySpan<byte> trailer, int from)
    {
        int next = tail.AsSpan(from).IndexOf(trailer);
        return next < 0 ? -1 : from + next;
    }
}
