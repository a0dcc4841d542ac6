namespace OxyPlot;

/// <summary>A rectangle in the picture; y grows downwards.</summary>
internal readonly record struct OxyRect(double Left, double Top, double Width, double Height)
{
    internal double Right => Left + Width;
    internal double Bottom => Top + Height;

    internal (double X, double Y) Center => (Left + (Width / 2), Top + (Height / 2));

    internal OxyRect Deflate(OxyThickness by) => new(
        Left + by.Left,
        Top + by.Top,
        Math.Max(0, Width - by.Left - by.Right),
        Math.Max(0, Height - by.Top - by.Bottom));
}

/// <summary>A point in the picture.</summary>
internal readonly record struct ScreenPoint(double X, double Y)
{
    internal bool IsFinite => double.IsFinite(X) && double.IsFinite(Y);
}
