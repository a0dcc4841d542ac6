using System.Buffers.Binary;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// Named tensors in Hugging Face's safetensors format: a JSON header and the elements, little-endian and row-major, nothing executable.
/// The format has no checksum: a flipped bit in the elements cannot be noticed.
/// </summary>
public static class SafetensorsFile
{
    private const int Alignment = 8;

    /// <summary>
    /// The named tensors, on the CPU, in the order asked for; all of them, in the file's order, when no name is given. The caller
    /// disposes them.
    /// </summary>
    /// <exception cref="DataFormatException">A cut or corrupted file, a name it does not have, or an element type without a tensor
    /// type.</exception>
    public static IReadOnlyDictionary<string, Tensor> Read(string path, params string[] names)
    {
        using FileStream file = InputFile.Open(path);
        (IReadOnlyList<SafetensorsEntry> entries, long dataStart) = SafetensorsHeader.Read(file, path);
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (SafetensorsEntry entry in names.Length == 0 ? entries : names.Select(name => Find(entries, name, path)))
            {
                ScalarType type = TypeOf(entry, path);
                file.Position = dataStart + entry.Begin;
                tensors.Add(entry.Name, TensorBytes.Read(file, path, entry.Name, type, entry.Shape));
            }

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

    /// <summary>Rows of a tensor; no others are read. The caller disposes them.</summary>
    internal static Tensor ReadRows(string path, string name, IReadOnlyList<long> rows)
    {
        using FileStream file = InputFile.Open(path);
        (IReadOnlyList<SafetensorsEntry> entries, long dataStart) = SafetensorsHeader.Read(file, path);
        SafetensorsEntry entry = Find(entries, name, path);
        return RowBytes.At(file.SafeFileHandle, dataStart + entry.Begin).Read(path, name, TypeOf(entry, path), entry.Shape, rows);
    }

    /// <summary>Shapes of the named tensors.</summary>
    internal static IReadOnlyList<long[]> Shapes(string path, params string[] names)
    {
        using FileStream file = InputFile.Open(path);
        IReadOnlyList<SafetensorsEntry> entries = SafetensorsHeader.Read(file, path).Entries;
        return [.. names.Select(name => Find(entries, name, path).Shape)];
    }

    /// <summary>Names, types and shapes of the tensors, from the header.</summary>
    /// <exception cref="DataFormatException">A header that is cut or corrupted, or does not fit the file.</exception>
    public static IReadOnlyList<ArrayEntry> Describe(string path)
    {
        using FileStream file = InputFile.Open(path);
        return [.. SafetensorsHeader.Read(file, path).Entries.Select(Line)];

        static ArrayEntry Line(SafetensorsEntry entry) => new(
            entry.Name, entry.Type is ScalarType type ? ElementTypes.Name(type) : entry.DType, entry.Shape, entry.End - entry.Begin);
    }

    /// <summary>Writes tensors of any device, in the order given; the file appears whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">Names, each once, and values.</param>
    /// <param name="metadata">Free text, for instance what the weights are.</param>
    /// <exception cref="CurvatureException">The file cannot be written, or a tensor's type is none of the format's.</exception>
    public static void Write(
        string path, IEnumerable<(string Name, Tensor Value)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        (string Name, Tensor Value)[] all = [.. tensors];
        AtomicFile.Write(path, stream => Write(stream, path, all, metadata));
    }

    /// <summary>Writes them to a stream.</summary>
    internal static void Write(Stream stream, string path, IReadOnlyList<(string Name, Tensor Value)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        byte[] header = Header(tensors, metadata, path);
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach ((_, Tensor value) in tensors)
        {
            using DisposeScope scope = NewDisposeScope();
            TensorBytes.Write(stream, value.detach().cpu().contiguous());
        }
    }

    private static ScalarType TypeOf(SafetensorsEntry entry, string path) =>
        entry.Type ?? throw new DataFormatException(path, $"an element type that tensors have in '{entry.Name}'", entry.DType, "convert it to F32, F64 or I64");

    private static byte[] Header(IReadOnlyList<(string Name, Tensor Value)> tensors, IReadOnlyDictionary<string, string>? metadata, string path)
    {
        using var text = new MemoryStream();
        using (var json = new Utf8JsonWriter(text))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WritePropertyName(SafetensorsHeader.Metadata);
                JsonSerializer.Serialize(json, metadata);
            }

            long end = 0;
            foreach ((string name, Tensor value) in tensors)
            {
                (string dtype, _, int size) = SafetensorsEntry.Types.FirstOrDefault(type => type.Type == value.dtype);
                long begin = end;
                end += value.numel() * (dtype is null ? throw NoType(path, name, value.dtype) : size);
                json.WriteStartObject(name);
                json.WriteString("dtype", dtype);
                json.WritePropertyName("shape");
                JsonSerializer.Serialize(json, value.shape);
                json.WritePropertyName("data_offsets");
                JsonSerializer.Serialize(json, new[] { begin, end });
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        text.Write("       "u8[..(int)((Alignment - (text.Length % Alignment)) % Alignment)]);
        return text.ToArray();
    }

    private static SafetensorsEntry Find(IReadOnlyList<SafetensorsEntry> entries, string name, string path) =>
        entries.FirstOrDefault(entry => entry.Name == name) ?? throw new DataFormatException(
            path, $"a tensor '{name}'", $"'{string.Join("', '", entries.Select(entry => entry.Name))}'", "save it under that name");

    private static CurvatureException NoType(string path, string name, ScalarType type) =>
        new($"Cannot write '{path}': safetensors has no type for {ElementTypes.Name(type)}, the type of '{name}'. Convert it to float32.");
}
