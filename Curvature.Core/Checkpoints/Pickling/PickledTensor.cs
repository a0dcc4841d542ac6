using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Checkpoints.Pickling;

/// <summary>
/// A tensor as a view of a storage: element (i, j, ..) is number <c>offset + i stride_0 + j stride_1 + ..</c> of the storage. All of them are in it.
/// </summary>
/// <param name="Storage">The storage, of a known type.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Offset">Number of the first element.</param>
/// <param name="Shape">Sizes.</param>
/// <param name="Strides">Steps in elements, one for each size.</param>
internal sealed record PickledTensor(PickledStorage Storage, ScalarType Type, long Offset, long[] Shape, long[] Strides)
{
    private const int MostDimensions = 64;

    /// <summary>Length of its elements, row-major, in bytes.</summary>
    public long Bytes => InputFile.SizeOf(Shape, ElementTypes.Size(Type)) ?? throw new InvalidOperationException("A shape that was not checked.");

    /// <summary>Checks the parts of a tensor and puts them together.</summary>
    /// <param name="storage">A storage; of bytes where <paramref name="type"/> says what they are.</param>
    /// <param name="type">Type of the elements; null for the storage's.</param>
    /// <param name="offset">A whole number.</param>
    /// <param name="shape">A tuple of sizes.</param>
    /// <param name="strides">A tuple of as many steps.</param>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="DataFormatException">Other kinds of values, negative ones, or elements outside the storage.</exception>
    public static PickledTensor From(object? storage, ScalarType? type, object? offset, object? shape, object? strides, string path)
    {
        ScalarType? known = type ?? (storage as PickledStorage)?.Type;
        PickledStorage? typed = known is ScalarType asked ? (storage as PickledStorage)?.As(asked) : null;
        if (typed is null || offset is not long first || Numbers(shape) is not { } sizes || Numbers(strides) is not { } steps
            || first < 0 || sizes.Length != steps.Length || sizes.Length > MostDimensions
            || InputFile.SizeOf(sizes, ElementTypes.Size(known!.Value)) is null || Reach(first, sizes, steps) > typed.Count)
        {
            throw DataFormatException.Corrupt(
                path,
                "a tensor inside its storage",
                $"one with offset {Pickled.Show(offset)}, shape {Pickled.Show(shape)}, strides {Pickled.Show(strides)} in {Pickled.Show(storage)}");
        }

        return new PickledTensor(typed, known.Value, first, sizes, steps);
    }

    /// <summary>Number of the last element, plus one.</summary>
    private static Int128 Reach(long offset, long[] shape, long[] strides)
    {
        Int128 reach = offset;
        if (shape.Contains(0))
        {
            return reach;
        }

        for (int i = 0; i < shape.Length; i++)
        {
            reach += (Int128)(shape[i] - 1) * strides[i];
        }

        return reach + 1;
    }

    /// <summary>A tuple of numbers that are not negative, or null.</summary>
    private static long[]? Numbers(object? value) =>
        value is object?[] tuple && Array.TrueForAll(tuple, item => item is long and >= 0) ? [.. tuple.Cast<long>()] : null;
}
