namespace OxyPlot;

/// <summary>Widths of the four sides of a frame, in units of the picture.</summary>
public readonly struct OxyThickness(double left, double top, double right, double bottom)
{
    public OxyThickness(double thickness) : this(thickness, thickness, thickness, thickness)
    {
    }

    public double Left { get; } = left;
    public double Top { get; } = top;
    public double Right { get; } = right;
    public double Bottom { get; } = bottom;
}
