using System.IO.Compression;

namespace Curvature.Data;

/// <summary>The contents of one zip entry; when the last byte has been handed out, length and CRC-32 have been checked.</summary>
internal sealed class ZipEntryStream : ForwardStream
{
    private readonly ZipEntry entry;
    private readonly string path;
    private readonly Stream contents;
    private long remaining;
    private uint crc;

    public ZipEntryStream(FileStream file, ZipEntry entry, string path)
    {
        this.entry = entry;
        this.path = path;
        remaining = entry.Length;
        var window = new StreamWindow(file, entry.DataOffset, entry.CompressedLength);
        contents = entry.Deflated ? new DeflateStream(window, CompressionMode.Decompress) : window;
        if (remaining == 0)
        {
            CheckEnd();
        }
    }

    public override int Read(Span<byte> buffer)
    {
        int wanted = (int)Math.Min(buffer.Length, remaining);
        if (wanted == 0)
        {
            return 0;
        }

        int count = Take(buffer[..wanted]);
        if (count == 0)
        {
            throw Corrupt("its declared length", "fewer bytes");
        }

        crc = Crc32.Append(crc, buffer[..count]);
        remaining -= count;
        if (remaining == 0)
        {
            CheckEnd();
        }

        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            contents.Dispose();
        }

        base.Dispose(disposing);
    }

    private void CheckEnd()
    {
        if (crc != entry.Crc)
        {
            throw Corrupt($"checksum {entry.Crc:x8}", $"{crc:x8}");
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
            return contents.Read(buffer);
        }
        catch (InvalidDataException e)
        {
            throw DataFormatException.Corrupt(
                path, $"compressed data in entry '{entry.Name}'", "bytes that do not decompress", e);
        }
    }

    private DataFormatException Corrupt(string expected, string got) =>
        DataFormatException.Corrupt(path, $"entry '{entry.Name}' with {expected}", got);
}
