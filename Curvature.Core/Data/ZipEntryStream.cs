using System.IO.Compression;

namespace Curvature.Data;

/// <summary>The contents of one zip entry; when the last byte has been handed out, length and CRC-32 have been checked.</summary>
internal sealed class ZipEntryStream : ForwardStream
{
    private readonly ZipEntry _entry;
    private readonly string _path;
    private readonly Stream _contents;
    private long _remaining;
    private uint _crc;

    public ZipEntryStream(FileStream file, ZipEntry entry, string path)
    {
        _entry = entry;
        _path = path;
        _remaining = entry.Length;
        var window = new StreamWindow(file, entry.DataOffset, entry.CompressedLength);
        _contents = entry.Deflated ? new DeflateStream(window, CompressionMode.Decompress) : window;
        if (_remaining == 0)
        {
            CheckEnd();
        }
    }

    public override int Read(Span<byte> buffer)
    {
        int wanted = (int)Math.Min(buffer.Length, _remaining);
        if (wanted == 0)
        {
            return 0;
        }

        int count = Take(buffer[..wanted]);
        if (count == 0)
        {
            throw Corrupt("its declared length", "fewer bytes");
        }

        _crc = Crc32.Append(_crc, buffer[..count]);
        _remaining -= count;
        if (_remaining == 0)
        {
            CheckEnd();
        }

        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _contents.Dispose();
        }

        base.Dispose(disposing);
    }

    private void CheckEnd()
    {
        if (_crc != _entry.Crc)
        {
            throw Corrupt($"checksum {_entry.Crc:x8}", $"{_crc:x8}");
        }

        Span<byte> more = stackalloc byte[1];
        if (Take(more) != 0)
        {
            throw Corrupt("its declared length", "more bytes");
        }
    }

    private int Take(Span<byte> buffer)
    {
        try
        {
            return _contents.Read(buffer);
        }
        catch (InvalidDataException e)
        {
            throw DataFormatException.Corrupt(
                _path, $"compressed data in entry '{_entry.Name}'", "bytes that do not decompress", e);
        }
    }

    private DataFormatException Corrupt(string expected, string got) =>
        DataFormatException.Corrupt(_path, $"entry '{_entry.Name}' with {expected}", got);
}
