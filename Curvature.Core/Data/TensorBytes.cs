using System.Buffers.Binary;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>Moves the elements of tensors between streams and memory, row-major and without a copy between.</summary>
internal static class TensorBytes
{
    private const int ChunkBytes = 1 << 26;

    /// <summary>Takes or fills a part of a tensor's memory.</summary>
    public delegate void PartAction(Span<byte> bytes);

    /// <summary>A contiguous tensor on the CPU, row-major. The caller disposes it.</summary>
    /// <param name="source">Positioned at the first element; little-endian unless told otherwise.</param>
    /// <param name="file">For messages.</param>
    /// <param name="name">The array's name, for messages.</param>
    /// <param name="type">Element type.</param>
    /// <param name="shape">Sizes; the caller has checked that the file is long enough for them.</param>
    /// <param name="bigEndian">The file's elements have their most significant byte first.</param>
    /// <exception cref="DataFormatException">The stream ends early, there is no memory for the array, or a boolean is neither 0 nor
    /// 1.</exception>
    public static Tensor Read(Stream source, string file, string name, ScalarType type, long[] shape, bool bigEndian = false)
    {
        int size = ElementTypes.Size(type);
        InputFile.RequireMemory(file, InputFile.SizeOf(shape, size) ?? long.MaxValue);
        Tensor result = empty(shape, type);
        try
        {
            ForEachPart(result, bytes =>
            {
                source.ReadExactly(bytes);
                Settle(bytes, file, name, type, bigEndian);
            });

            return result;
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

    /// <summary>Makes bytes of a file elements of this machine, and looks at booleans.</summary>
    /// <exception cref="DataFormatException">A boolean is neither 0 nor 1.</exception>
    public static void Settle(Span<byte> bytes, string file, string name, ScalarType type, bool bigEndian)
    {
        if (bigEndian)
        {
            Reverse(bytes, ElementTypes.Size(type));
        }

        if (type == ScalarType.Bool && bytes.ContainsAnyExceptInRange((byte)0, (byte)1))
        {
            throw DataFormatException.Corrupt(file, $"booleans 0 or 1 in '{name}'", "another byte");
        }
    }

    /// <summary>Writes the elements, little-endian.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="tensor">A contiguous tensor on the CPU.</param>
    public static void Write(Stream target, Tensor tensor) => ForEachPart(tensor, bytes => target.Write(bytes));

    /// <summary>The memory of a contiguous tensor in order, in parts: a span cannot be longer than 2 GiB.</summary>
    public static void ForEachPart(Tensor tensor, PartAction action)
    {
        using Tensor flat = tensor.flatten();
        long step = ChunkBytes / ElementTypes.Size(tensor.dtype);
        for (long start = 0; start < flat.shape[0]; start += step)
        {
            using Tensor part = flat.narrow(0, start, Math.Min(step, flat.shape[0] - start));
            action(part.bytes);
        }
    }

    private static void Reverse(Span<byte> bytes, int size)
    {
        switch (size)
        {
            case 2:
                Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(bytes);
                BinaryPrimitives.ReverseEndianness(halves, halves);
                break;
            case 4:
                Span<uint> words = MemoryMarshal.Cast<byte, uint>(bytes);
                BinaryPrimitives.ReverseEndianness(words, words);
                break;
            case 8:
                Span<ulong> longs = MemoryMarshal.Cast<byte, ulong>(bytes);
                BinaryPrimitives.ReverseEndianness(longs, longs);
                break;
        }
    }
}
