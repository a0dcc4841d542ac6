using System.Text;

namespace TorchSharp.Modules;

/// <summary>
/// TorchSharp's .dat file: LEB128(count), then per tensor its name, LEB128 of the element type, of the rank and of each dimension, and the
/// row-major little-endian elements. A file is believed in nothing: sizes are checked against the module before anything is read.
/// </summary>
internal static class DatFormat
{
    public static void Write(BinaryWriter writer, IReadOnlyList<KeyValuePair<string, torch.Tensor>> entries)
    {
        writer.Write7BitEncodedInt64(entries.Count);
        foreach ((string name, torch.Tensor tensor) in entries)
        {
            writer.Write(name);
            WriteTensor(writer, tensor);
        }
    }

    public static void Read(BinaryReader reader, Dictionary<string, torch.Tensor> state, bool strict, IList<string> skip,
        Dictionary<string, bool>? loaded) => Guarded(() =>
    {
        long count = reader.Read7BitEncodedInt64();
        if (strict && count != state.Count)
        {
            throw new ArgumentException($"The file holds {count} tensors, but the module {state.Count}; strict: false loads what fits.");
        }
        for (long i = 0; i < count; i++)
        {
            string name = reader.ReadString();
            bool known = state.TryGetValue(name, out torch.Tensor? into);
            if (!known && strict)
            {
                throw new ArgumentException($"The file holds '{name}', which the module has not; strict: false skips it.");
            }
            ReadTensor(reader, name, skip.Contains(name) ? null : into);
            loaded?[name] = known;
        }
    });

    public static void WriteTensor(BinaryWriter writer, torch.Tensor tensor)
    {
        writer.Write7BitEncodedInt64((long)tensor.dtype);
        writer.Write7BitEncodedInt64(tensor.ndim);
        foreach (long size in tensor.shape) writer.Write7BitEncodedInt64(size);
        using torch.Tensor elements = tensor.detach().cpu().contiguous();
        writer.Write(elements.bytes);
    }

    /// <summary>Reads one tensor into <paramref name="into"/>, or passes over it when that is null.</summary>
    public static void ReadTensor(BinaryReader reader, string name, torch.Tensor? into)
    {
        (torch.ScalarType dtype, long[] shape) = ReadHeader(reader, name);
        if (into is null)
        {
            Skip(reader, name, Bytes(dtype, shape, name));
            return;
        }
        RequireShape(name, into.shape, shape);
        if (into.dtype != dtype)
        {
            throw new ArgumentException($"'{name}' is {dtype} in the file but {into.dtype} in the module; cast the module first.");
        }
        using torch.Tensor elements = ReadElements(reader, dtype, shape);
        using IDisposable noGrad = torch.no_grad();
        into.copy_(elements);
    }

    /// <summary>Reads one tensor whose shape the file alone knows; the stream must be long enough for it.</summary>
    public static torch.Tensor ReadNewTensor(BinaryReader reader, string name)
    {
        (torch.ScalarType dtype, long[] shape) = ReadHeader(reader, name);
        long bytes = Bytes(dtype, shape, name);
        Stream stream = reader.BaseStream;
        if (stream.CanSeek && bytes > stream.Length - stream.Position)
        {
            throw new EndOfStreamException($"'{name}' should have {bytes} bytes, but {stream.Length - stream.Position} are left.");
        }
        return ReadElements(reader, dtype, shape);
    }

    private static torch.Tensor ReadElements(BinaryReader reader, torch.ScalarType dtype, long[] shape)
    {
        torch.Tensor elements = torch.empty(shape, dtype: dtype);
        reader.BaseStream.ReadExactly(elements.bytes);
        return elements;
    }

    private static (torch.ScalarType, long[]) ReadHeader(BinaryReader reader, string name)
    {
        var dtype = (torch.ScalarType)reader.Read7BitEncodedInt64();
        long rank = reader.Read7BitEncodedInt64();
        if (!Enum.IsDefined(dtype) || rank is < 0 or > 64)
        {
            throw new FormatException($"'{name}' has element type {(long)dtype} and {rank} dimensions: not a TorchSharp .dat file.");
        }
        var shape = new long[rank];
        for (int i = 0; i < shape.Length; i++)
        {
            shape[i] = reader.Read7BitEncodedInt64();
            if (shape[i] < 0) throw new FormatException($"'{name}' has a negative dimension, {shape[i]}: the file is damaged.");
        }
        return (dtype, shape);
    }

    public static void RequireShape(string name, long[] expected, long[] got)
    {
        if (!expected.SequenceEqual(got))
        {
            throw new ArgumentException(
                $"'{name}' has shape [{string.Join(", ", got)}], but the module has [{string.Join(", ", expected)}].");
        }
    }

    /// <summary>What a damaged stream makes the reader throw, said in words.</summary>
    public static void Guarded(Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is OverflowException or DecoderFallbackException)
        {
            throw new FormatException("The file is damaged: " + e.Message, e);
        }
    }

    private static long Bytes(torch.ScalarType dtype, long[] shape, string name) =>
        shape.Aggregate(SizeOf(dtype, name), (product, size) => checked(product * size));

    private static long SizeOf(torch.ScalarType dtype, string name) => dtype switch
    {
        torch.ScalarType.Byte or torch.ScalarType.Int8 or torch.ScalarType.Bool => 1,
        torch.ScalarType.Int16 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16 => 2,
        torch.ScalarType.Int32 or torch.ScalarType.Float32 => 4,
        torch.ScalarType.Int64 or torch.ScalarType.Float64 or torch.ScalarType.ComplexFloat32 => 8,
        torch.ScalarType.ComplexFloat64 => 16,
        _ => throw new FormatException($"'{name}' has the unknown element type {dtype}."),
    };

    private static void Skip(BinaryReader reader, string name, long bytes)
    {
        Span<byte> buffer = stackalloc byte[4096];
        for (long left = bytes; left > 0;)
        {
            int read = reader.Read(buffer[..(int)Math.Min(left, buffer.Length)]);
            left -= read > 0 ? read : throw new EndOfStreamException($"'{name}' should have {bytes} bytes, {left} more than there are.");
        }
    }
}
