using System.IO.Compression;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// numpy's archive of named arrays (<c>np.savez</c>, <c>np.savez_compressed</c>): a zip of <see cref="NpyFile"/>s. Every entry's length
/// and CRC-32 are checked, those that were not asked for included.
/// </summary>
public static class NpzFile
{
    private const string Extension = ".npy";

    // The earliest that a zip archive can name: what is in a file does not depend on when it was written.
    private static readonly DateTimeOffset NoTime = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The named arrays, in the order asked for; all of them when no name is given. The caller disposes them.</summary>
    /// <exception cref="DataFormatException">A cut or corrupted file, a name it does not have, or an element type that is not a
    /// number's.</exception>
    public static IReadOnlyDictionary<string, Tensor> Read(string path, params string[] names)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        Dictionary<string, ZipEntry> arrays = Arrays(zip);
        string[] wanted = names.Length == 0 ? [.. arrays.Keys] : names;
        zip.Verify(zip.Entries.Where(entry => !wanted.Contains(ArrayName(entry))));
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            foreach (string name in wanted)
            {
                ZipEntry entry = arrays.TryGetValue(name, out ZipEntry? found) ? found : throw Missing(path, name, arrays.Keys);
                using Stream contents = zip.Open(entry);
                tensors.Add(name, NpyFile.ReadArray(contents, entry.Length, path, name));
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

    /// <summary>Shapes of the named arrays, from their headers; the contents are not looked at.</summary>
    /// <exception cref="DataFormatException">A cut or corrupted file, or a name it does not have.</exception>
    internal static IReadOnlyList<long[]> Shapes(string path, params string[] names)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        Dictionary<string, ZipEntry> arrays = Arrays(zip);
        var shapes = new List<long[]>();
        foreach (string name in names)
        {
            ZipEntry entry = arrays.TryGetValue(name, out ZipEntry? found) ? found : throw Missing(path, name, arrays.Keys);
            using Stream contents = zip.Open(entry);
            shapes.Add(NpyFile.ReadHeader(contents, entry.Length, path, name).Shape);
        }

        return shapes;
    }

    /// <summary>Rows of an array: of a stored entry by their place, without its checksum being looked at; of a compressed one by passing over it. The caller disposes them.</summary>
    internal static Tensor ReadRows(string path, string name, IReadOnlyList<long> rows)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        Dictionary<string, ZipEntry> arrays = Arrays(zip);
        ZipEntry entry = arrays.TryGetValue(name, out ZipEntry? found) ? found : throw Missing(path, name, arrays.Keys);
        using Stream contents = zip.Open(entry);
        return NpyFile.ReadRows(contents, entry.Length, path, name, rows, header => entry.Deflated ? RowBytes.Of(contents) : RowBytes.At(zip.File, entry.DataOffset + header));
    }

    /// <summary>Compares the checksums of all entries.</summary>
    internal static void Verify(string path)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        zip.Verify(zip.Entries);
    }

    /// <summary>Names, types and shapes of the arrays, from their headers; the checksums of the contents are checked too.</summary>
    /// <exception cref="DataFormatException">A cut or corrupted file.</exception>
    public static IReadOnlyList<ArrayEntry> Describe(string path)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        zip.Verify(zip.Entries);
        var entries = new List<ArrayEntry>();
        foreach ((string name, ZipEntry entry) in Arrays(zip))
        {
            using Stream contents = zip.Open(entry);
            entries.Add(NpyFile.Entry(NpyFile.ReadHeader(contents, entry.Length, path, name), name));
        }

        return entries;
    }

    /// <summary>Writes tensors of any device, in the order given, uncompressed; the file appears whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="arrays">Names, each once, and values.</param>
    /// <exception cref="CurvatureException">The file cannot be written, or a tensor's type is none of numpy's.</exception>
    public static void Write(string path, IEnumerable<(string Name, Tensor Value)> arrays) => AtomicFile.Write(path, stream =>
    {
        using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach ((string name, Tensor value) in arrays)
        {
            ZipArchiveEntry entry = zip.CreateEntry(name + Extension, CompressionLevel.NoCompression);
            entry.LastWriteTime = NoTime;
            using Stream contents = entry.Open();
            using DisposeScope scope = NewDisposeScope();
            contents.Write(NpyHeader.Write(value, $"{path}: '{name}'"));
            TensorBytes.Write(contents, value.detach().cpu().contiguous());
        }
    });

    private static Dictionary<string, ZipEntry> Arrays(CheckedZip zip) =>
        zip.Entries.Where(entry => ArrayName(entry) is not null).ToDictionary(entry => ArrayName(entry)!, StringComparer.Ordinal);

    private static string? ArrayName(ZipEntry entry) =>
        entry.Name.EndsWith(Extension, StringComparison.Ordinal) ? entry.Name[..^Extension.Length] : null;

    private static DataFormatException Missing(string path, string name, IEnumerable<string> there) =>
        new(path, $"an array '{name}'", $"'{string.Join("', '", there)}'", "save it with np.savez(file, x=inputs, y=targets)");
}
