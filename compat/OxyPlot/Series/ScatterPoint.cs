namespace OxyPlot.Series;

/// <summary>A marked point.</summary>
public class ScatterPoint(double x, double y, double size = double.NaN, double value = double.NaN, object? tag = null)
{
    public double X { get; } = x;
    public double Y { get; } = y;

    /// <summary>Size of the marker; NaN: the series'.</summary>
    public double Size { get; set; } = size;
    public double Value { get; set; } = value;
    public object? Tag { get; set; } = tag;
}

/// <summary>A marked point with error bars; an error is the full length of its bar.</summary>
public class ScatterErrorPoint(
    double x,
    double y,
    double errorX,
    double errorY,
    double size = double.NaN,
    double value = double.NaN,
    object? tag = null) : ScatterPoint(x, y, size, value, tag)
{
    public double ErrorX { get; } = errorX;
    public double ErrorY { get; } = errorY;
}
