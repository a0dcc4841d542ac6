namespace Curvature.Data;

/// <summary>
/// The bytes <c>[offset, offset + length)</c> of a seekable stream, which several windows may share in turn.
/// It remembers where the last block handed out began and ended: a decompressor reads ahead, and its data ends inside that block.
/// </summary>
internal sealed class StreamWindow(Stream source, long offset, long length) : ForwardStream
{
    private readonly long _end = offset + length;
    private long _next = offset;

    /// <summary>Position in the source of the first byte of the last block that was not empty.</summary>
    public long LastBlockStart { get; private set; } = offset;

    /// <summary>Position in the source behind the last byte handed out.</summary>
    public long LastBlockEnd => _next;

    public override int Read(Span<byte> buffer)
    {
        int wanted = (int)Math.Min(buffer.Length, _end - _next);
        if (wanted == 0)
        {
            return 0;
        }

        source.Position = _next;
        int count = source.Read(buffer[..wanted]);
        if (count > 0)
        {
            LastBlockStart = _next;
            _next += count;
        }

        return count;
    }
}
