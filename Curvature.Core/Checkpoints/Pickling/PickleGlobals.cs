using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Checkpoints.Pickling;

/// <summary>
/// The Python names that a dictionary of tensors needs, and what stands for them here. Every other name is refused: a pickle can name any
/// function there is, and this is where that ends.
/// </summary>
internal static class PickleGlobals
{
    private static readonly (string Name, ScalarType Type)[] ElementTypes =
    [
        ("Byte", ScalarType.Byte), ("Char", ScalarType.Int8), ("Short", ScalarType.Int16), ("Int", ScalarType.Int32), ("Long", ScalarType.Int64),
        ("Half", ScalarType.Float16), ("BFloat16", ScalarType.BFloat16), ("Float", ScalarType.Float32), ("Double", ScalarType.Float64), ("Bool", ScalarType.Bool),
    ];

    private static readonly Dictionary<string, object> Known = All();

    /// <summary>What stands for a name.</summary>
    /// <exception cref="DataFormatException">Any name but those that a dictionary of tensors needs.</exception>
    public static object Find(string module, string name, string path)
    {
        string full = $"{module}.{name}";
        return Known.TryGetValue(full, out object? meaning) ? meaning : throw new DataFormatException(
            path,
            "names and tensors of float, integer or boolean type (a state dict)",
            $"a pickle that asks Python for {full}, which is not done here",
            "save the weights alone: torch.save(model.state_dict(), file)");
    }

    private static Dictionary<string, object> All()
    {
        var all = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["collections.OrderedDict"] = (PickledFunction)OrderedDictionary,
            ["torch._utils._rebuild_tensor_v2"] = (PickledFunction)RebuildTensor,
            ["torch._utils._rebuild_tensor_v3"] = (PickledFunction)RebuildTypedTensor,
            ["torch._utils._rebuild_parameter"] = (PickledFunction)RebuildParameter,
            ["torch.storage.UntypedStorage"] = new PickledStorageClass(null),
        };
        foreach ((string name, ScalarType type) in ElementTypes)
        {
            all.Add($"torch.{name}Storage", new PickledStorageClass(type));
            all.Add($"torch.{Data.ElementTypes.Name(type)}", type);
        }

        return all;
    }

    private static PickledDictionary OrderedDictionary(object?[] arguments, string path) =>
        arguments is [] ? new PickledDictionary() : throw Misused("OrderedDict", arguments, path);

    /// <summary>storage, offset, shape, strides, requires_grad, backward hooks, and in newer files metadata.</summary>
    private static PickledTensor RebuildTensor(object?[] arguments, string path) => arguments is [_, _, _, _, bool, PickledDictionary, ..] and { Length: <= 7 }
        ? PickledTensor.From(arguments[0], null, arguments[1], arguments[2], arguments[3], path)
        : throw Misused("_rebuild_tensor_v2", arguments, path);

    /// <summary>storage of bytes, offset, shape, strides, requires_grad, backward hooks, type, and metadata where there are any.</summary>
    private static PickledTensor RebuildTypedTensor(object?[] arguments, string path) =>
        arguments is [_, _, _, _, bool, PickledDictionary, ScalarType type, ..] and { Length: <= 8 }
            ? PickledTensor.From(arguments[0], type, arguments[1], arguments[2], arguments[3], path)
            : throw Misused("_rebuild_tensor_v3", arguments, path);

    /// <summary>tensor, requires_grad, backward hooks.</summary>
    private static PickledTensor RebuildParameter(object?[] arguments, string path) =>
        arguments is [PickledTensor tensor, bool, PickledDictionary] ? tensor : throw Misused("_rebuild_parameter", arguments, path);

    private static DataFormatException Misused(string function, object?[] arguments, string path) =>
        DataFormatException.Corrupt(path, $"the arguments of {function}", Pickled.Show(arguments));
}
