using System.Text;
using Curvature.Checkpoints.Pickling;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// Weights as PyTorch 1.6 and later save them: <c>torch.save(model.state_dict(), file)</c>, or a dictionary that holds such a one beside epoch
/// and optimizer. The file is a zip archive of a pickle and of raw storages. Its checksums are checked, and its pickle can only put values
/// together: a name that a dictionary of tensors does not need, of a class or of <c>os.system</c>, is refused and nothing is called.
/// </summary>
public static class PthFile
{
    internal const string Format = "PyTorch state dict";

    private const int LongestPickle = 1 << 26;

    /// <summary>
    /// The tensors by name, in the order of the file, on the CPU. Tensors that share memory in PyTorch share it here, and a view has the strides
    /// of the file. The caller disposes them.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="remark">Told which dictionary was taken, where the file holds more than one thing.</param>
    /// <exception cref="DataFormatException">Cut or corrupted, another kind of file, big-endian, without weights, or with more than values in
    /// its pickle.</exception>
    public static IReadOnlyDictionary<string, Tensor> Read(string path, Action<string>? remark = null)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        IReadOnlyList<(string Name, PickledTensor Value)> entries = Entries(zip, path, remark, out string root);
        var storages = new Dictionary<PickledStorage, Tensor>();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        try
        {
            InputFile.RequireMemory(path, entries.Select(entry => entry.Value.Storage).Distinct().Sum(storage => StorageEntry(zip, root, storage, path).Length));
            foreach ((string name, PickledTensor value) in entries)
            {
                if (!storages.TryGetValue(value.Storage, out Tensor? storage))
                {
                    using Stream contents = zip.Open(StorageEntry(zip, root, value.Storage, path));
                    storage = TensorBytes.Read(contents, path, name, value.Type, [value.Storage.Count]);
                    storages.Add(value.Storage, storage);
                }

                tensors.Add(name, storage.as_strided(value.Shape, value.Strides, value.Offset));
            }

            return tensors;
        }
        catch
        {
            Dispose(tensors.Values);
            throw;
        }
        finally
        {
            Dispose(storages.Values); // views keep the memory that they need
        }
    }

    /// <summary>Names, types and shapes of the tensors. Only the pickle is read.</summary>
    /// <exception cref="DataFormatException">As <see cref="Read"/>, but for damage inside the storages.</exception>
    public static IReadOnlyList<ArrayEntry> Describe(string path, Action<string>? remark = null)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        IReadOnlyList<(string Name, PickledTensor Value)> entries = Entries(zip, path, remark, out string root);
        foreach (PickledStorage storage in entries.Select(entry => entry.Value.Storage).Distinct())
        {
            StorageEntry(zip, root, storage, path);
        }

        return [.. entries.Select(entry => new ArrayEntry(entry.Name, ElementTypes.Name(entry.Value.Type), entry.Value.Shape, entry.Value.Bytes))];
    }

    /// <summary>True for an archive of <c>torch.save</c>: a TorchScript model has code beside its pickle.</summary>
    internal static bool Looks(CheckedZip zip) =>
        PyTorchArchive.Root(zip) is { } root && !PyTorchArchive.HasCode(zip, root);

    /// <summary>The error for files that are one pickle from front to back.</summary>
    internal static DataFormatException Legacy(string path) => new(
        path,
        "a zip archive, as torch.save has written it since PyTorch 1.6",
        "a bare pickle: the older format of torch.save, or another program's",
        "save it again: torch.save(torch.load(file), other_file), or safetensors.torch.save_file(torch.load(file), other_file)");

    private static IReadOnlyList<(string Name, PickledTensor Value)> Entries(CheckedZip zip, string path, Action<string>? remark, out string root)
    {
        root = PyTorchArchive.Root(zip) ?? throw new DataFormatException(
            path, "an archive of torch.save", "a zip archive of other things", "save the weights with torch.save(model.state_dict(), file)");
        string order = Encoding.UTF8.GetString(Bytes(zip, root + "byteorder") ?? "little"u8.ToArray());
        if (order != "little")
        {
            throw new DataFormatException(
                path, "little-endian elements", $"'{order}'", "load it with PyTorch and write it with safetensors.torch.save_file");
        }

        byte[] pickle = Bytes(zip, root + "data.pkl") ?? throw DataFormatException.Corrupt(
            path, $"a pickle of at most {LongestPickle} bytes", "a longer one");
        return StateDictChoice.Choose(PickleReader.Read(pickle, path), path, remark);
    }

    /// <summary>The contents of a small entry, checked; null where there is none or a large one.</summary>
    private static byte[]? Bytes(CheckedZip zip, string name)
    {
        if (zip.Find(name) is not { Length: <= LongestPickle } entry)
        {
            return null;
        }

        byte[] bytes = new byte[entry.Length];
        using Stream contents = zip.Open(entry);
        contents.ReadExactly(bytes);
        return bytes;
    }

    private static ZipEntry StorageEntry(CheckedZip zip, string root, PickledStorage storage, string path)
    {
        long bytes = InputFile.SizeOf([storage.Count], ElementTypes.Size(storage.Type!.Value)) ?? long.MaxValue;
        ZipEntry? entry = zip.Find($"{root}data/{storage.Key}");
        return entry?.Length == bytes ? entry : throw DataFormatException.Corrupt(
            path, $"an entry data/{storage.Key} of {bytes} bytes", entry is null ? "none" : $"one of {entry.Length} bytes");
    }

    private static void Dispose(IEnumerable<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
        {
            tensor.Dispose();
        }
    }
}
