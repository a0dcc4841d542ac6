namespace OxyPlot;

/// <summary>A colour with opacity. Two transparent values are special: undefined draws nothing, automatic lets the model choose.</summary>
public readonly struct OxyColor : IEquatable<OxyColor>
{
    private OxyColor(byte a, byte r, byte g, byte b) => (A, R, G, B) = (a, r, g, b);

    public byte A { get; }
    public byte R { get; }
    public byte G { get; }
    public byte B { get; }

    public static OxyColor FromArgb(byte a, byte r, byte g, byte b) => new(a, r, g, b);

    public static OxyColor FromRgb(byte r, byte g, byte b) => new(0xFF, r, g, b);

    public static OxyColor FromAColor(byte a, OxyColor color) => new(a, color.R, color.G, color.B);

    public bool Equals(OxyColor other) => (A, R, G, B) == (other.A, other.R, other.G, other.B);

    public override bool Equals(object? obj) => obj is OxyColor other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(A, R, G, B);

    public static bool operator ==(OxyColor first, OxyColor second) => first.Equals(second);

    public static bool operator !=(OxyColor first, OxyColor second) => !first.Equals(second);

    internal bool IsVisible() => A > 0;

    internal OxyColor GetActualColor(OxyColor defaultColor) => this == OxyColors.Automatic ? defaultColor : this;
}
