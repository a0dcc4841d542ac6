using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>Names and sizes of the element types that files hold.</summary>
internal static class ElementTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(ScalarType type) => type switch
    {
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Int32 or ScalarType.Float32 => 4,
        ScalarType.Int64 or ScalarType.Float64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an element type that the readers know."),
    };

    /// <summary>The name that PyTorch prints without its "torch.".</summary>
    public static string Name(ScalarType type) => type switch
    {
        ScalarType.Byte => "uint8",
        _ => type.ToString().ToLowerInvariant(),
    };

    /// <summary>A tensor as a line of <c>curvature inspect</c>.</summary>
    public static ArrayEntry Line(string name, Tensor tensor) =>
        new(name, Name(tensor.dtype), tensor.shape, tensor.numel() * Size(tensor.dtype));

    /// <summary>float16, bfloat16, float32 or float64.</summary>
    public static bool IsFloating(ScalarType type) =>
        IsHalf(type) || type is ScalarType.Float32 or ScalarType.Float64;

    /// <summary>float16 or bfloat16.</summary>
    public static bool IsHalf(ScalarType type) => type is ScalarType.Float16 or ScalarType.BFloat16;
}
