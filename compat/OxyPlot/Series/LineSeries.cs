namespace OxyPlot.Series;

/// <summary>A line through points; a point with NaN breaks it.</summary>
public class LineSeries : DataPointSeries
{
    private OxyColor chosen;

    public OxyColor Color { get; set; } = OxyColors.Automatic;
    public double StrokeThickness { get; set; } = 2;
    public LineStyle LineStyle { get; set; } = LineStyle.Automatic;

    private protected OxyColor ActualColor => Color.GetActualColor(chosen);

    internal override void Update()
    {
        base.Update();
        chosen = Color == OxyColors.Automatic ? PlotModel.NextColor() : Color;
    }

    internal override void Render(Canvas canvas)
    {
        foreach (List<ScreenPoint> stretch in Stretches(Points))
        {
            canvas.Line(stretch, ActualColor, StrokeThickness, LineStyle);
        }
    }

    internal override void RenderLegend(Canvas canvas, OxyRect box) =>
        canvas.Line([new(box.Left, box.Center.Y), new(box.Right, box.Center.Y)], ActualColor, StrokeThickness, LineStyle);
}
