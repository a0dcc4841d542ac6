namespace OxyPlot;

/// <summary>Draws the shapes of points.</summary>
internal static class Markers
{
    private static readonly ScreenPoint[] Square = [new(-1, -1), new(1, -1), new(1, 1), new(-1, 1)];
    private static readonly ScreenPoint[] Diamond = [new(0, -1.2), new(1.2, 0), new(0, 1.2), new(-1.2, 0)];

    internal static void Marker(
        this Canvas canvas, MarkerType type, ScreenPoint at, double size, OxyColor fill, OxyColor stroke, double thickness)
    {
        if (!at.IsFinite || type == MarkerType.None)
        {
            return;
        }

        if (type == MarkerType.Circle)
        {
            canvas.Circle(at, size, fill, stroke, thickness);
            return;
        }

        ScreenPoint[] shape = type == MarkerType.Diamond ? Diamond : Square;
        IEnumerable<ScreenPoint> corners = shape.Select(corner => new ScreenPoint(at.X + (size * corner.X), at.Y + (size * corner.Y)));
        canvas.Polygon([.. corners], fill, stroke, thickness);
    }
}
