namespace OxyPlot;

/// <summary>A size in units of the picture.</summary>
public readonly struct OxySize(double width, double height)
{
    public double Width { get; } = width;
    public double Height { get; } = height;
}
