namespace Curvature.Data;

/// <summary>Hands out the lines of a byte stream without copying them; bounds their length.</summary>
internal sealed class LineReader(Stream source, string path)
{
    private const int LongestLine = 1 << 27;

    private byte[] buffer = new byte[1 << 20];
    private int start;
    private int end;
    private bool ended;

    /// <summary>Number of the line last handed out, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>The next line without its end (LF or CR LF), valid until the next call; false at the end of the data.</summary>
    public bool Next(out ReadOnlySpan<byte> line)
    {
        int searched = 0;
        while (true)
        {
            int length = buffer.AsSpan(start + searched, end - start - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                line = Take(searched + length, 1);
                return true;
            }

            if (ended)
            {
                line = Take(end - start, 0);
                return !line.IsEmpty;
            }

            searched = end - start;
            Fill();
        }
    }

    private ReadOnlySpan<byte> Take(int length, int separator)
    {
        ReadOnlySpan<byte> line = buffer.AsSpan(start, length);
        start += length + separator;
        Number++;
        return line.EndsWith((byte)'\r') ? line[..^1] : line;
    }

    private void Fill()
    {
        buffer.AsSpan(start, end - start).CopyTo(buffer);
        (start, end) = (0, end - start);
        if (end == buffer.Length)
        {
            if (end >= LongestLine)
            {
                throw new DataFormatException(
                    path, "lines of text", $"more than {LongestLine >> 20} MiB without a line end", "name a text file");
            }

            Array.Resize(ref buffer, 2 * end);
        }

        int count = source.Read(buffer.AsSpan(end));
        ended = count == 0;
        end += count;
    }
}
