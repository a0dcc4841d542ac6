using System.Runtime.InteropServices;
using Curvature.Data;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// Writes a model back as the kind of file it came from: TorchScript as TorchScript, weights in <c>.safetensors</c> or <c>.dat</c> as such. Weights from a
/// <c>.pth</c> become <c>.safetensors</c>, for no pickle is written here. Elements have the dtype that the model has in memory. The file appears whole or not at all.
/// </summary>
public static class CheckpointWriter
{
    /// <summary>Throws what <see cref="Write"/> would throw about the name, before long work is done for it.</summary>
    /// <exception cref="CurvatureException">A name whose ending stands for another format, or a place where nothing can be written.</exception>
    public static void Check(LoadedModel model, string path)
    {
        string ending = Path.GetExtension(path).ToLowerInvariant();
        string expected = Ending(model);
        bool fits = model.Format == TorchScriptFile.Format ? ending is not (".safetensors" or ".dat" or ".pth") : ending == expected;
        if (!fits)
        {
            string what = model.Format == PthFile.Format ? "weights of a .pth file are written as safetensors" : $"the model is {model.Format}, and is written as that";
            throw new CurvatureException($"Cannot write '{path}': {what}. Name a file that ends in {expected}.");
        }

        AtomicFile.CheckFile(path);
    }

    /// <summary>Writes parameters and buffers, and for TorchScript the network.</summary>
    /// <param name="model">The model.</param>
    /// <param name="path">Where it goes.</param>
    /// <param name="beside">Files that belong to it: they and the model appear together, or all stays as it was.</param>
    /// <exception cref="CurvatureException">As <see cref="Check"/>; or a file cannot be written.</exception>
    public static void Write(LoadedModel model, string path, params IReadOnlyList<(string Path, Action<Stream> Write)> beside)
    {
        Check(model, path);
        Action<Stream> write = model.Format switch
        {
            TorchScriptFile.Format => stream => WriteScript((jit.ScriptModule)model.Module, stream, path),
            DatFile.Format => stream => model.Module.save(stream),
            _ => stream => SafetensorsFile.Write(stream, path, [.. model.Module.state_dict().Select(entry => (entry.Key, entry.Value))]),
        };
        AtomicFile.WriteAll([.. beside, (path, write)]);
    }

    private static string Ending(LoadedModel model) => model.Format switch
    {
        TorchScriptFile.Format => ".pt",
        DatFile.Format => ".dat",
        _ => ".safetensors",
    };

    /// <summary>libtorch saves by name only: to a folder of its own, and from there to the stream.</summary>
    private static void WriteScript(jit.ScriptModule module, Stream stream, string path)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("curvature-");
        try
        {
            string file = Path.Combine(folder.FullName, "model.pt");
            jit.save(module, file);
            using FileStream written = File.OpenRead(file);
            written.CopyTo(stream);
        }
        catch (ExternalException error)
        {
            throw new CurvatureException($"Cannot write '{path}': libtorch does not save this TorchScript model: {EngineError.Summary(error)}.", error);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
