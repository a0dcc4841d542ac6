namespace TorchSharp;

/// <summary>Numbers into <see cref="Scalar"/> and back.</summary>
public static class ScalarExtensionMethods
{
    public static float ToSingle(this Scalar value) => (float)value.Real;
    public static double ToDouble(this Scalar value) => value.Real;
    public static int ToInt32(this Scalar value) => (int)value.Integer;
    public static long ToInt64(this Scalar value) => value.Integer;
    public static bool ToBoolean(this Scalar value) => value.Real != 0;
}
