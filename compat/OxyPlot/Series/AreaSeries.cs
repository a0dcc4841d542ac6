namespace OxyPlot.Series;

/// <summary>The area between two lines, or between a line and zero.</summary>
public class AreaSeries : LineSeries
{
    public OxyColor Fill { get; set; } = OxyColors.Automatic;

    /// <summary>The second line; without points it is zero.</summary>
    public List<DataPoint> Points2 { get; } = [];

    internal override void Update()
    {
        base.Update();
        Points2.ForEach(point => Include(point.X, point.Y));
    }

    internal override void Render(Canvas canvas)
    {
        IEnumerable<DataPoint> zero = Points.Select(point => new DataPoint(point.X, double.IsNaN(point.Y) ? double.NaN : 0));
        IEnumerable<DataPoint> other = Points2.Count > 0 ? Points2 : zero;
        foreach ((List<ScreenPoint> upper, List<ScreenPoint> lower) in Stretches(Points).Zip(Stretches(other)))
        {
            canvas.Polygon([.. upper, .. lower.AsEnumerable().Reverse()], ActualFill);
            canvas.Line(upper, ActualColor, StrokeThickness, LineStyle);
            if (Points2.Count > 0)
            {
                canvas.Line(lower, ActualColor, StrokeThickness, LineStyle);
            }
        }
    }

    internal override void RenderLegend(Canvas canvas, OxyRect box)
    {
        OxyRect band = new(box.Left, box.Top + (0.25 * box.Height), box.Width, 0.5 * box.Height);
        canvas.Rectangle(band, ActualFill);
        canvas.Line([new(band.Left, band.Top), new(band.Right, band.Top)], ActualColor, StrokeThickness, LineStyle);
    }

    private OxyColor ActualFill => Fill.GetActualColor(OxyColor.FromAColor(100, ActualColor));
}
