using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>Where rows of an array are read from: by their place in a file, or from a stream that can only be passed over.</summary>
internal abstract class RowBytes
{
    /// <summary>The elements start at a place of a file; no other bytes are read, nor any ahead.</summary>
    public static RowBytes At(SafeFileHandle file, long start) => new Placed(file, start);

    /// <summary>The elements are what a stream has left; it is read to the end afterwards, where its checksum is.</summary>
    public static RowBytes Of(Stream source) => new Passed(source);

    /// <summary>Rows of a row-major array. The caller disposes them.</summary>
    /// <param name="file">For messages.</param>
    /// <param name="name">The array's name, for messages.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Sizes; the caller has checked that the file is long enough for them.</param>
    /// <param name="rows">Which, in this order, each once.</param>
    /// <param name="bigEndian">The file's elements have their most significant byte first.</param>
    /// <exception cref="DataFormatException">The file ends early, there is no memory for the rows, or a boolean is neither 0 nor 1.</exception>
    public Tensor Read(string file, string name, ScalarType type, long[] shape, IReadOnlyList<long> rows, bool bigEndian = false)
    {
        int size = ElementTypes.Size(type);
        long[] kept = [rows.Count, .. shape[1..]];
        InputFile.RequireMemory(file, InputFile.SizeOf(kept, size) ?? long.MaxValue);
        long each = InputFile.SizeOf(shape[1..], size)!.Value;
        int[] order = [.. Enumerable.Range(0, rows.Count).OrderBy(i => rows[i])];
        Tensor result = empty(kept, type);
        try
        {
            for (int first = 0, next; first < order.Length; first = next)
            {
                next = first + 1;
                while (next < order.Length && order[next] == order[next - 1] + 1 && rows[order[next]] == rows[order[next - 1]] + 1)
                {
                    next++;
                }

                long place = rows[order[first]] * each;
                using Tensor stretch = result.narrow(0, order[first], next - first);
                TensorBytes.ForEachPart(stretch, bytes =>
                {
                    Read(place, bytes);
                    TensorBytes.Settle(bytes, file, name, type, bigEndian);
                    place += bytes.Length;
                });
            }

            return EndsAt(InputFile.SizeOf(shape, size)!.Value)
                ? result
                : throw DataFormatException.Corrupt(file, $"the end of the data behind {InputFile.Show(shape)} elements", "more");
        }
        catch (EndOfStreamException e)
        {
            result.Dispose();
            throw DataFormatException.Corrupt(file, $"all elements of '{name}'", "the end of the file", e);
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>Fills memory from a place in the elements, which are asked for in rising order.</summary>
    protected abstract void Read(long place, Span<byte> bytes);

    /// <summary>Whether nothing is behind the elements, as far as that can be seen.</summary>
    /// <param name="total">Their bytes.</param>
    protected virtual bool EndsAt(long total) => true;

    private sealed class Placed(SafeFileHandle file, long start) : RowBytes
    {
        protected override void Read(long place, Span<byte> bytes)
        {
            for (int done = 0, count; done < bytes.Length; done += count)
            {
                count = RandomAccess.Read(file, bytes[done..], start + place + done);
                if (count == 0)
                {
                    throw new EndOfStreamException();
                }
            }
        }
    }

    private sealed class Passed(Stream source) : RowBytes
    {
        private readonly byte[] _skipped = new byte[1 << 16];
        private long _position;

        protected override void Read(long place, Span<byte> bytes)
        {
            while (_position < place)
            {
                int count = (int)Math.Min(_skipped.Length, place - _position);
                source.ReadExactly(_skipped.AsSpan(0, count));
                _position += count;
            }

            source.ReadExactly(bytes);
            _position += bytes.Length;
        }

        protected override bool EndsAt(long total)
        {
            for (int count; (count = source.Read(_skipped)) > 0;)
            {
                _position += count;
            }

            return _position == total;
        }
    }
}
