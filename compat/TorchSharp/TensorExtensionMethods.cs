using System.Globalization;
using System.Text;

namespace TorchSharp;

/// <summary>Conversions of one-element tensors, and text.</summary>
public static class TensorExtensionMethods
{
    public static float ToSingle(this torch.Tensor value) => value.ToScalar().ToSingle();

    public static double ToDouble(this torch.Tensor value) => value.ToScalar().ToDouble();

    public static int ToInt32(this torch.Tensor value) => value.ToScalar().ToInt32();

    public static long ToInt64(this torch.Tensor value) => value.ToScalar().ToInt64();

    public static bool ToBoolean(this torch.Tensor value) => value.ToScalar().ToBoolean();

    /// <summary>Bytes of one element.</summary>
    public static int ElementSize(this torch.ScalarType type) => type switch
    {
        torch.ScalarType.Byte or torch.ScalarType.Int8 or torch.ScalarType.Bool => 1,
        torch.ScalarType.Int16 or torch.ScalarType.Float16 or torch.ScalarType.BFloat16 => 2,
        torch.ScalarType.Int32 or torch.ScalarType.Float32 => 4,
        torch.ScalarType.Int64 or torch.ScalarType.Float64 or torch.ScalarType.ComplexFloat32 => 8,
        torch.ScalarType.ComplexFloat64 => 16,
        _ => throw new NotImplementedException($"{type}"),
    };

    /// <summary>For example "[2x3], type = Float32, device = cpu".</summary>
    public static string metastr(this torch.Tensor tensor)
    {
        var text = new StringBuilder("[").AppendJoin('x', tensor.shape).Append("], type = ").Append(tensor.dtype).Append(", device = ").Append(tensor.device);
        return (tensor.ndim == 0 && tensor.is_cpu() ? text.Append(", value = ").Append(tensor.ToScalar().Real.ToString(CultureInfo.InvariantCulture)) : text).ToString();
    }
}
