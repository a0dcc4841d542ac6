using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// numpy's archive of named arrays (<c>np.savez</c>, <c>np.savez_compressed</c>): a zip of <see cref="NpyFile"/>s. Every entry's length
/// and CRC-32 are checked, those that were not asked for included.
/// </summary>
public static class NpzFile
{
    private const string Extension = ".npy";

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

    private static Dictionary<string, ZipEntry> Arrays(CheckedZip zip) =>
        zip.Entries.Where(entry => ArrayName(entry) is not null).ToDictionary(entry => ArrayName(entry)!, StringComparer.Ordinal);

    private static string? ArrayName(ZipEntry entry) =>
        entry.Name.EndsWith(Extension, StringComparison.Ordinal) ? entry.Name[..^Extension.Length] : null;

    private static DataFormatException Missing(string path, string name, IEnumerable<string> there) =>
        new(path, $"an array '{name}'", $"'{string.Join("', '", there)}'", "save it with np.savez(file, x=inputs, y=targets)");
}
