namespace Curvature.Data;

/// <summary>Hands out the lines of a byte stream without copying them; bounds their length.</summary>
internal sealed class LineReader(Stream source, string path)
{
    private const int LongestLine = 1 << 27;

    private byte[] _buffer = new byte[1 << 20];
    private int _start;
    private int _end;
    private bool _ended;

    /// <summary>Number of the line last handed out, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>The next line without its end (LF or CR LF), valid until the next call; false at the end of the data.</summary>
    public bool Next(out ReadOnlySpan<byte> line)
    {
        int searched = 0;
        while (true)
        {
            int length = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            if (length >= 0)
            {
                line = Take(searched + length, 1);
                return true;
            }

            if (_ended)
            {
                line = Take(_end - _start, 0);
                return !line.IsEmpty;
            }

            searched = _end - _start;
            Fill();
        }
    }

    private ReadOnlySpan<byte> Take(int length, int separator)
    {
        ReadOnlySpan<byte> line = _buffer.AsSpan(_start, length);
        _start += length + separator;
        Number++;
        return line.EndsWith((byte)'\r') ? line[..^1] : line;
    }

    private void Fill()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        (_start, _end) = (0, _end - _start);
        if (_end == _buffer.Length)
        {
            if (_end >= LongestLine)
            {
                throw new DataFormatException(
                    path, "lines of text", $"more than {LongestLine >> 20} MiB without a line end", "name a text file");
            }

            Array.Resize(ref _buffer, 2 * _end);
        }

        int count = source.Read(_buffer.AsSpan(_end));
        _ended = count == 0;
        _end += count;
    }
}
