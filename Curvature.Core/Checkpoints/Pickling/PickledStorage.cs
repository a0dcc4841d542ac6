using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Checkpoints.Pickling;

/// <summary>A block of elements in an archive, which several tensors may look into.</summary>
/// <param name="Key">Its entry is <c>ROOT/data/KEY</c>.</param>
/// <param name="Type">Type of its elements; null where only the tensors know it.</param>
/// <param name="Count">Number of its elements; of bytes where the type is null.</param>
internal sealed record PickledStorage(string Key, ScalarType? Type, long Count)
{
    /// <summary>A storage from its persistent id: the word "storage", its class, key, device and number of elements.</summary>
    public static PickledStorage From(object? id, string path) =>
        id is object?[] and ["storage", PickledStorageClass kind, string key, string, long count] && count >= 0
            ? new PickledStorage(key, kind.Type, count)
            : throw DataFormatException.Corrupt(path, "a storage's class, key, device and length", Pickled.Show(id));

    /// <summary>The same bytes as elements of a type, or null where they are not a whole number of them or have another type.</summary>
    public PickledStorage? As(ScalarType type) =>
        Type == type ? this
        : Type is null && Count % ElementTypes.Size(type) == 0 ? new PickledStorage(Key, type, Count / ElementTypes.Size(type))
        : null;
}
