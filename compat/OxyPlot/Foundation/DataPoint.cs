namespace OxyPlot;

/// <summary>A point in the units of the axes.</summary>
public readonly struct DataPoint(double x, double y)
{
    /// <summary>A point that breaks a line.</summary>
    public static readonly DataPoint Undefined = new(double.NaN, double.NaN);

    public double X { get; } = x;
    public double Y { get; } = y;
}
