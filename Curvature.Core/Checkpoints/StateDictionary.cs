using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>Puts tensors of a file into a model of the same names and shapes.</summary>
internal static class StateDictionary
{
    private const int MostShown = 8;

    // What nn.DataParallel, DistributedDataParallel and torch.compile put before every name of the model they wrap.
    private static readonly string[] Wrappers = ["module.", "_orig_mod."];

    /// <summary>
    /// Copies the tensors into the model. Where the file's floating-point tensors are all float32 or all float64, the model takes that
    /// type first, so that nothing is lost; float16 and bfloat16 are widened to the model's type, and <paramref name="remark"/> is told. Names must agree exactly, shapes and
    /// other types too. A prefix that PyTorch's wrappers give to every name is left out where the model's names have none, and
    /// <paramref name="remark"/> is told.
    /// </summary>
    /// <exception cref="DataFormatException">Missing or unexpected names, or another shape or type, all of them listed.</exception>
    public static void CopyInto(nn.Module module, IReadOnlyDictionary<string, Tensor> tensors, string path, Action<string> remark)
    {
        ScalarType[] types = [.. tensors.Values.Select(tensor => tensor.dtype).Where(ElementTypes.IsFloating).Distinct()];
        if (types is [ScalarType.Float32 or ScalarType.Float64])
        {
            module.to(types[0]);
        }

        Dictionary<string, Tensor> own = module.state_dict();
        tensors = Unwrapped(tensors, own, path, remark);
        string model = module.GetType().Name;
        string[] missing = [.. own.Keys.Where(name => !tensors.ContainsKey(name))];
        string[] unexpected = [.. tensors.Keys.Where(name => !own.ContainsKey(name))];
        if (missing.Length + unexpected.Length > 0)
        {
            throw Bad(path, $"the {own.Count} tensors of {model}", $"{List("missing", missing)}{List("unexpected", unexpected)}");
        }

        IEnumerable<string> misfits = own.Keys.Where(name => !Fits(tensors[name], own[name]));
        string[] different = [.. misfits.Select(name => $"{name} is {Show(tensors[name])} instead of {Show(own[name])}")];
        if (different.Length > 0)
        {
            throw Bad(path, $"tensors that fit {model}", List("different", different));
        }

        if (types.Where(ElementTypes.IsHalf).ToArray() is { Length: > 0 } half)
        {
            remark(WideningRemark(path, half, own.Values.Select(tensor => tensor.dtype).First(ElementTypes.IsFloating)));
        }

        using IDisposable noGrad = no_grad();
        foreach ((string name, Tensor value) in own)
        {
            value.copy_(tensors[name]);
        }
    }

    /// <summary>What is said of parameters that are computed with in another type than the file's.</summary>
    public static string WideningRemark(string path, ScalarType[] half, ScalarType type) =>
        $"Weights in {Path.GetFileName(path)} are {string.Join(" and ", half.Select(ElementTypes.Name))}: their values are kept, and computed with in {ElementTypes.Name(type)}.";

    private static IReadOnlyDictionary<string, Tensor> Unwrapped(
        IReadOnlyDictionary<string, Tensor> tensors, Dictionary<string, Tensor> own, string path, Action<string> remark)
    {
        bool All(IEnumerable<string> names, string prefix) => names.Any() && names.All(name => name.StartsWith(prefix, StringComparison.Ordinal));
        if (Array.Find(Wrappers, prefix => All(tensors.Keys, prefix) && !All(own.Keys, prefix)) is not { } wrapper)
        {
            return tensors;
        }

        remark($"Every name in {Path.GetFileName(path)} starts with '{wrapper}', as PyTorch's wrappers write them; it was left out.");
        return tensors.ToDictionary(entry => entry.Key[wrapper.Length..], entry => entry.Value, StringComparer.Ordinal);
    }

    private static bool Fits(Tensor stored, Tensor own) => stored.shape.SequenceEqual(own.shape)
        && (stored.dtype == own.dtype || (ElementTypes.IsHalf(stored.dtype) && ElementTypes.IsFloating(own.dtype)));

    private static string Show(Tensor tensor) => $"{ElementTypes.Name(tensor.dtype)} {InputFile.Show(tensor.shape)}";

    private static string List(string title, string[] items)
    {
        string more = items.Length > MostShown ? $" and {items.Length - MostShown} more" : "";
        return items.Length == 0 ? "" : $"{title}: {string.Join(", ", items.Take(MostShown))}{more}. ";
    }

    private static DataFormatException Bad(string path, string expected, string got) =>
        new(path, expected, got.TrimEnd(' ', '.'), "name the model type whose weights these are");
}
