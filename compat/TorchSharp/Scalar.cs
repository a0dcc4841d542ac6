namespace TorchSharp;

/// <summary>A number for an operator, with its kind (integer, real, bool). Here it owns nothing native; Dispose is TorchSharp's.</summary>
public sealed class Scalar : IDisposable
{
    internal Val Value { get; }

    internal double Real { get; }

    internal long Integer { get; }

    public torch.ScalarType Type { get; }

    private Scalar(long value, torch.ScalarType type)
    {
        (Type, Integer, Real) = (type, value, value);
        Value = type == torch.ScalarType.Bool ? value != 0 : value;
    }

    // A real number's integer is what a C cast gives; saturating, as NaN and infinity have none.
    private Scalar(double value, torch.ScalarType type) => (Value, Type, Integer, Real) = (value, type, (long)value, value);

    public void Dispose() { }

    public static implicit operator Scalar(byte value) => new(value, torch.ScalarType.Byte);
    public static implicit operator Scalar(int value) => new(value, torch.ScalarType.Int32);
    public static implicit operator Scalar(long value) => new(value, torch.ScalarType.Int64);
    public static implicit operator Scalar(float value) => new((double)value, torch.ScalarType.Float32);
    public static implicit operator Scalar(double value) => new(value, torch.ScalarType.Float64);
    public static implicit operator Scalar(bool value) => new(value ? 1L : 0L, torch.ScalarType.Bool);
}
