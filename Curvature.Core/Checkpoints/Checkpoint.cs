using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// Models by file: TorchScript (<c>.pt</c>, any name), which brings its own network, or weights alone (<c>.safetensors</c>, PyTorch's
/// <c>.pth</c> under any name, TorchSharp's <c>.dat</c>) and the type of the network they belong to. Files are not trusted: what is cut,
/// corrupted or does not fit is one clear message.
/// </summary>
public static class Checkpoint
{
    private const string Safetensors = "safetensors";

    /// <summary>Reads a model and puts it in evaluation mode. The caller disposes it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="modelType">For weights alone: a specification of <see cref="ModelType"/>; null for TorchScript.</param>
    /// <param name="dtype">Converts parameters and buffers; null keeps the file's type, but widens float16 and bfloat16 to float32 (to float64 where some of it is that) and says so: what is computed in them has two or three digits. Constants inside a TorchScript stay as they
    /// are.</param>
    /// <param name="device">Where the model goes; null is the CPU.</param>
    /// <exception cref="DataFormatException">The file cannot be read, or does not fit the model type.</exception>
    /// <exception cref="CurvatureException">No such model type, or a model without parameters.</exception>
    /// <exception cref="NonFiniteException">A weight is NaN or infinite; the message names its tensor.</exception>
    public static LoadedModel Load(string path, string? modelType = null, ScalarType? dtype = null, Device? device = null)
    {
        string format = FormatOf(path);
        string sha256 = InputFile.Sha256(path);
        var remarks = new List<string>();
        nn.Module module = format == TorchScriptFile.Format ? Script(path, modelType) : WithWeights(path, format, modelType, remarks.Add);
        try
        {
            CheckWeights(module, path);
            Convert(module, dtype ?? Widened(module, path, remarks.Add), device);
            module.eval();
            return new LoadedModel(module, path, format, sha256, remarks);
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }

    /// <summary>
    /// What is in a checkpoint: names, types, shapes and bytes of its parameters and buffers; no model type is needed.
    /// </summary>
    /// <exception cref="DataFormatException">No such file, or one that cannot be read.</exception>
    public static FileContents Describe(string path)
    {
        string format = FormatOf(path);
        var remarks = new List<string>();
        IReadOnlyList<ArrayEntry> entries = format switch
        {
            TorchScriptFile.Format => DescribeScript(path),
            PthFile.Format => PthFile.Describe(path, remarks.Add),
            DatFile.Format => DatFile.Describe(path),
            _ => SafetensorsFile.Describe(path),
        };
        return new FileContents(path, format, InputFile.Sha256(path), entries) { Remarks = remarks };
    }

    /// <summary>Parameters, then buffers, with their names.</summary>
    internal static IEnumerable<(string Name, Tensor Value)> Tensors(nn.Module module) =>
        module.named_parameters().Select(entry => (entry.name, (Tensor)entry.parameter))
            .Concat(module.named_buffers().Select(entry => (entry.name, entry.buffer)));

    private static string FormatOf(string path)
    {
        using FileStream file = InputFile.Open(path);
        return Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".SAFETENSORS" => Safetensors,
            ".DAT" => DatFile.Format,
            _ when CheckedZip.Looks(file) => FormatOfArchive(path),
            _ when file.ReadByte() == 0x80 => throw PthFile.Legacy(path),
            _ => throw new DataFormatException(
                path,
                "a TorchScript model, .safetensors, .pth or .dat",
                "another kind of file, or a cut one",
                "save the model with torch.jit.script(model).save(file)"),
        };
    }

    private static string FormatOfArchive(string path)
    {
        using CheckedZip zip = CheckedZip.Open(path);
        return PthFile.Looks(zip) ? PthFile.Format : TorchScriptFile.Format;
    }

    private static jit.ScriptModule<Tensor, Tensor> Script(string path, string? modelType) => modelType is null
        ? TorchScriptFile.Load(path)
        : throw new CurvatureException($"{path}: a TorchScript file brings its own network; leave out the model type '{modelType}'.");

    private static nn.Module WithWeights(string path, string format, string? modelType, Action<string> remark)
    {
        if (modelType is null)
        {
            if (format == PthFile.Format)
            {
                PthFile.Describe(path); // a file that holds no weights asks for something else than their network
            }

            throw new CurvatureException(
                $"{path}: expected the network of these weights, got none; name its type (--model-type): {ModelType.Choices}.");
        }

        nn.Module module = ModelType.Create(modelType);
        IReadOnlyDictionary<string, Tensor> tensors = new Dictionary<string, Tensor>();
        try
        {
            tensors = format switch
            {
                PthFile.Format => PthFile.Read(path, remark),
                DatFile.Format => DatFile.Read(path),
                _ => SafetensorsFile.Read(path),
            };
            StateDictionary.CopyInto(module, tensors, path, remark);
            return module;
        }
        catch
        {
            module.Dispose();
            throw;
        }
        finally
        {
            foreach (Tensor tensor in tensors.Values)
            {
                tensor.Dispose();
            }
        }
    }

    /// <summary>float32 where the model has parameters of half that size, float64 where it has such beside them; null where it has none of half that size.</summary>
    private static ScalarType? Widened(nn.Module module, string path, Action<string> remark)
    {
        ScalarType[] half = [.. module.parameters().Select(parameter => parameter.dtype).Where(ElementTypes.IsHalf).Distinct()];
        if (half.Length == 0)
        {
            return null;
        }

        ScalarType widest = Tensors(module).Any(entry => entry.Value.dtype == ScalarType.Float64) ? ScalarType.Float64 : ScalarType.Float32;
        remark(StateDictionary.WideningRemark(path, half, widest));
        return widest;
    }

    private static void Convert(nn.Module module, ScalarType? dtype, Device? device)
    {
        if (dtype is ScalarType type)
        {
            module.to(type);
        }

        if (device is not null)
        {
            module.to(device);
        }
    }

    private static void CheckWeights(nn.Module module, string path)
    {
        if (!module.parameters().Any())
        {
            throw new CurvatureException(
                $"{path}: expected a model with parameters, got none; save it before it is frozen or optimized for inference.");
        }

        foreach ((string name, Tensor value) in Tensors(module))
        {
            if (!Finite.Everywhere(value))
            {
                throw new NonFiniteException(
                    $"{path}: expected finite weights, got NaN or infinity in '{name}'; take an earlier checkpoint.");
            }
        }
    }

    private static ArrayEntry[] DescribeScript(string path)
    {
        using jit.ScriptModule<Tensor, Tensor> module = TorchScriptFile.Load(path);
        return [.. Tensors(module).Select(entry => ElementTypes.Line(entry.Name, entry.Value))];
    }
}
