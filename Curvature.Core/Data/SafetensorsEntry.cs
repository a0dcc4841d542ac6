using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>One tensor of a safetensors header.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DType">The format's own type name, e.g. <c>F32</c>.</param>
/// <param name="Shape">Its sizes.</param>
/// <param name="Begin">First byte, counted from the start of the data.</param>
/// <param name="End">Behind its last byte.</param>
internal sealed record SafetensorsEntry(string Name, string DType, long[] Shape, long Begin, long End)
{
    /// <summary>
    /// Type names of the format, the tensor types they are, and their sizes in bytes; types without a tensor type are only listed.
    /// </summary>
    public static IReadOnlyList<(string DType, ScalarType? Type, int Size)> Types { get; } =
    [
        ("F32", ScalarType.Float32, 4), ("F64", ScalarType.Float64, 8), ("F16", ScalarType.Float16, 2), ("BF16", ScalarType.BFloat16, 2),
        ("I64", ScalarType.Int64, 8), ("I32", ScalarType.Int32, 4), ("I16", ScalarType.Int16, 2), ("I8", ScalarType.Int8, 1),
        ("U8", ScalarType.Byte, 1), ("BOOL", ScalarType.Bool, 1), ("U16", null, 2), ("U32", null, 4), ("U64", null, 8),
        ("F8_E4M3", null, 1), ("F8_E5M2", null, 1),
    ];

    /// <summary>The tensor type; null where there is none.</summary>
    public ScalarType? Type => Types.First(type => type.DType == DType).Type;

    /// <summary>Bytes that the shape asks for; null for an unknown type or an impossible shape.</summary>
    public long? Size => Types.FirstOrDefault(type => type.DType == DType).Size is int size and > 0 ? InputFile.SizeOf(Shape, size) : null;
}
