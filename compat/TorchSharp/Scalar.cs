namespace TorchSharp;

/// <summary>A number for an operator, with its kind (integer, real, bool). Here it owns nothing native; Dispose is TorchSharp's.</summary>
public sealed class Scalar : IDisposable
{
    internal Val Value { get; }

    internal double Real { get; }

    internal long Integer { get; }

    private Scalar(Val value, long integer, double real) => (Value, Integer, Real) = (value, integer, real);

    public void Dispose() { }

    public static implicit operator Scalar(int value) => new((long)value, value, value);
    public static implicit operator Scalar(long value) => new(value, value, value);
    // A real number's integer is what a C cast gives; saturating, as NaN and infinity have none.
    public static implicit operator Scalar(double value) => new(value, (long)value, value);
    public static implicit operator Scalar(bool value) => new(value, value ? 1 : 0, value ? 1 : 0);
}
