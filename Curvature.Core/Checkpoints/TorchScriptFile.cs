using System.Runtime.InteropServices;
using Curvature.Data;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// Models saved by PyTorch with <c>torch.jit.script(model).save(file)</c> or <c>torch.jit.trace(model, example).save(file)</c>.
/// libtorch reads such a file without looking at its checksums, so the archive is checked here before libtorch sees it.
/// </summary>
public static class TorchScriptFile
{
    internal const string Format = "TorchScript";

    /// <summary>The model, on the CPU, with the element types, training flags and names of the file. The caller disposes it.</summary>
    /// <exception cref="DataFormatException">Not such a file, cut or corrupted, or one that libtorch refuses.</exception>
    public static jit.ScriptModule<Tensor, Tensor> Load(string path)
    {
        Check(path);
        try
        {
            return jit.load<Tensor, Tensor>(path);
        }
        catch (ExternalException e)
        {
            throw new DataFormatException(
                path,
                "a TorchScript model",
                $"libtorch's \"{EngineError.Summary(e)}\"",
                "save it with this libtorch's version of PyTorch or an older one",
                e);
        }
    }

    /// <summary>Checks every length, offset and CRC-32 of the archive, and that it has the parts of a TorchScript model.</summary>
    /// <exception cref="DataFormatException">Not such a file, or cut or corrupted.</exception>
    public static void Check(string path)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        string root = PyTorchArchive.Root(zip) ?? throw NotAModel(path, "a zip archive of other things");
        if (!PyTorchArchive.HasCode(zip, root))
        {
            throw NotAModel(path, "weights without a network (torch.save)");
        }

        zip.Verify(zip.Entries);
    }

    private static DataFormatException NotAModel(string path, string got) =>
        new(path, "a TorchScript model", got, "save the model with torch.jit.script(model).save(file)");
}
