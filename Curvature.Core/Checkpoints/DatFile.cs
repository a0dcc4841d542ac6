using System.Text;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// Weights as TorchSharp's <c>Module.save</c> writes them (<c>.dat</c>): the number of tensors, then for each its name, element type,
/// sizes and elements; numbers are LEB128. The format has no magic bytes and no checksum, so only its structure can be checked.
/// </summary>
public static class DatFile
{
    internal const string Format = "TorchSharp .dat";

    private const int MostDimensions = 64;
    private const int LongestName = 1 << 16;

    /// <summary>The tensors by name, in the order of the file, on the CPU. The caller disposes them.</summary>
    /// <exception cref="DataFormatException">Not such a file, or cut, or longer than its tensors.</exception>
    public static IReadOnlyDictionary<string, Tensor> Read(string path)
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            Walk(path, (file, name, type, shape) => tensors.Add(name, TensorBytes.Read(file, path, name, type, shape)));
            return tensors;
        }
        catch
        {
            foreach (Tensor tensor in tensors.Values)
            {
                tensor.Dispose();
            }

            throw;
        }
    }

    /// <summary>Names, types and shapes of the tensors.</summary>
    /// <exception cref="DataFormatException">As <see cref="Read"/>.</exception>
    public static IReadOnlyList<ArrayEntry> Describe(string path)
    {
        var entries = new List<ArrayEntry>();
        Walk(path, (file, name, type, shape) =>
        {
            long bytes = InputFile.SizeOf(shape, ElementTypes.Size(type)) ?? 0;
            file.Position += bytes;
            entries.Add(new ArrayEntry(name, ElementTypes.Name(type), shape, bytes));
        });
        return entries;
    }

    /// <summary>Visits the tensors; the visitor moves the file behind the elements.</summary>
    private static void Walk(string path, Action<FileStream, string, ScalarType, long[]> visit)
    {
        using FileStream file = InputFile.Open(path);
        var names = new HashSet<string>(StringComparer.Ordinal);
        long count = Number(file, path, "the number of tensors");
        for (long i = 0; i < count; i++)
        {
            string name = Name(file, path);
            long type = Number(file, path, "an element type");
            long rank = Number(file, path, "a number of dimensions");
            if (!names.Add(name) || !Known(type) || rank > MostDimensions)
            {
                throw Bad(path, $"a tensor '{name}' of its own name, with a known type and shape", $"type {type}, {rank} dimensions");
            }

            long[] shape = new long[rank];
            for (int dimension = 0; dimension < rank; dimension++)
            {
                shape[dimension] = Number(file, path, $"a size of '{name}'");
            }

            long? bytes = InputFile.SizeOf(shape, ElementTypes.Size((ScalarType)type));
            if (bytes is null || bytes > file.Length - file.Position)
            {
                throw Bad(path, $"the elements of '{name}' {InputFile.Show(shape)}", $"{file.Length - file.Position} bytes");
            }

            visit(file, name, (ScalarType)type, shape);
        }

        if (file.Position != file.Length)
        {
            throw Bad(path, $"the end of the file behind {count} tensors", $"{file.Length - file.Position} more bytes");
        }
    }

    private static bool Known(long type) => type is >= 0 and <= 7 or 11 or 15;

    private static string Name(FileStream file, string path)
    {
        long length = Number(file, path, "the length of a name");
        byte[] bytes = new byte[length <= LongestName ? length : throw Bad(path, "the name of a tensor", $"one of {length} bytes")];
        return file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) == bytes.Length
            ? Encoding.UTF8.GetString(bytes)
            : throw Bad(path, "the name of a tensor", "the end of the file");
    }

    /// <summary>An unsigned LEB128 number: seven bits a byte, lowest first, the top bit set on all but the last.</summary>
    private static long Number(FileStream file, string path, string what)
    {
        long value = 0;
        for (int shift = 0; shift < 63; shift += 7)
        {
            int next = file.ReadByte();
            if (next < 0)
            {
                throw Bad(path, what, "the end of the file");
            }

            value |= (long)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw Bad(path, what, "a number beyond 2^63");
    }

    private static DataFormatException Bad(string path, string expected, string got) =>
        new(path, expected, got, "the file is cut, corrupted or no TorchSharp .dat file: write it again with Module.save");
}
