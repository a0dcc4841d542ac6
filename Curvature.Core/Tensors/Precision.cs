using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>Rounding units of the floating dtypes.</summary>
internal static class Precision
{
    /// <summary>Distance from 1 to the next larger number.</summary>
    public static double Epsilon(ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 => 2.220446049250313e-16,
        ScalarType.Float32 => 1.1920928955078125e-07,
        ScalarType.Float16 => 9.765625e-04,
        ScalarType.BFloat16 => 7.8125e-03,
        _ => throw new CurvatureException($"{dtype} is not a floating-point dtype."),
    };
}
