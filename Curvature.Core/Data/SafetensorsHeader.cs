using System.Buffers.Binary;
using System.Text.Json;

namespace Curvature.Data;

/// <summary>
/// The header of a safetensors file: its length as a little-endian 64-bit integer, then a JSON object of
/// <c>"name": {"dtype", "shape", "data_offsets"}</c> and <c>"__metadata__"</c>. Read, it has been checked against the length of the
/// file: the tensors fill the data without a gap or an overlap.
/// </summary>
internal static class SafetensorsHeader
{
    /// <summary>Key of the free text that a header may carry.</summary>
    public const string Metadata = "__metadata__";

    private const int LengthField = 8;
    private const long LongestText = 100_000_000;

    /// <summary>The tensors in the order of their data, and where the data start in the file.</summary>
    /// <exception cref="DataFormatException">Not such a header, or one that does not fit the file.</exception>
    public static (IReadOnlyList<SafetensorsEntry> Entries, long DataStart) Read(FileStream file, string path)
    {
        Span<byte> field = stackalloc byte[LengthField];
        long length = file.ReadAtLeast(field, LengthField, throwOnEndOfStream: false) < LengthField
            ? -1
            : BinaryPrimitives.ReadInt64LittleEndian(field);
        if (length < 2 || length > LongestText || length > file.Length - LengthField)
        {
            string got = length < 0 ? "none" : $"a header of {length} bytes in a file of {file.Length}";
            throw DataFormatException.Corrupt(path, "a safetensors header within the file", got);
        }

        byte[] text = new byte[length];
        file.ReadExactly(text);
        List<SafetensorsEntry> entries = Parse(text, path);
        entries.Sort((a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        CheckLayout(entries, file.Length - LengthField - length, path);
        return (entries, LengthField + length);
    }

    private static List<SafetensorsEntry> Parse(byte[] text, string path)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 8 });
            var entries = new List<SafetensorsEntry>();
            var names = new HashSet<string>(StringComparer.Ordinal);
            foreach (JsonProperty property in json.RootElement.EnumerateObject())
            {
                if (!names.Add(property.Name))
                {
                    throw DataFormatException.Corrupt(path, "tensors with names of their own", $"'{property.Name}' twice");
                }

                if (property.Name != Metadata)
                {
                    entries.Add(Entry(property));
                }
            }

            return entries;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw DataFormatException.Corrupt(path, "a safetensors header in JSON", $"\"{e.Message}\"", e);
        }
    }

    private static SafetensorsEntry Entry(JsonProperty property)
    {
        JsonElement offsets = property.Value.GetProperty("data_offsets");
        return offsets.GetArrayLength() == 2
            ? new SafetensorsEntry(
                property.Name,
                property.Value.GetProperty("dtype").GetString() ?? "",
                [.. property.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())],
                offsets[0].GetInt64(),
                offsets[1].GetInt64())
            : throw new FormatException($"'{property.Name}' has no begin and end.");
    }

    private static void CheckLayout(List<SafetensorsEntry> entries, long dataLength, string path)
    {
        long end = 0;
        foreach (SafetensorsEntry entry in entries)
        {
            if (entry.Size is not long size)
            {
                throw DataFormatException.Corrupt(
                    path, $"a known type and a possible shape of '{entry.Name}'", $"{entry.DType} {InputFile.Show(entry.Shape)}");
            }

            if (entry.Begin != end || entry.End < entry.Begin || entry.End > dataLength || entry.End - entry.Begin != size)
            {
                throw DataFormatException.Corrupt(
                    path,
                    $"the {size} bytes of '{entry.Name}' at byte {end} of {dataLength}",
                    $"bytes {entry.Begin} to {entry.End}");
            }

            end = entry.End;
        }

        if (end != dataLength)
        {
            throw DataFormatException.Corrupt(path, $"{end} bytes of data", $"{dataLength}");
        }
    }
}
