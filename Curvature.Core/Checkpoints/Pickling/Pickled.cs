using System.Globalization;
using System.Numerics;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Checkpoints.Pickling;

/// <summary>The values of a pickle in words.</summary>
internal static class Pickled
{
    private const int MostItems = 8;

    /// <summary>A value in words. What is inside another value is named by its kind alone: it may contain itself.</summary>
    public static string Show(object? value) => value switch
    {
        long or BigInteger or double => string.Create(CultureInfo.InvariantCulture, $"{value}"),
        object?[] tuple => $"({string.Join(", ", tuple.Take(MostItems).Select(Inside))}{(tuple.Length > MostItems ? ", .." : "")})",
        PickledStorage storage => $"a storage of {storage.Count} {(storage.Type is ScalarType type ? ElementTypes.Name(type) : "bytes")}",
        _ => Kind(value),
    };

    /// <summary>What sort of value it is.</summary>
    public static string Kind(object? value) => value switch
    {
        null => "None",
        bool => "a truth value",
        long or BigInteger or double => "a number",
        string => "text",
        object?[] => "a tuple",
        List<object?> => "a list",
        PickledDictionary => "a dictionary",
        PickledTensor => "a tensor",
        PickledStorage => "a storage",
        _ => "a name",
    };

    private static string Inside(object? value) => value is long ? Show(value) : Kind(value);
}
