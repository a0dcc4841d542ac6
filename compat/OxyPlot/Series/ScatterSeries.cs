namespace OxyPlot.Series;

/// <summary>Marked points.</summary>
public abstract class ScatterSeries<T> : XYAxisSeries
    where T : ScatterPoint
{
    private OxyColor chosen;

    public List<T> Points { get; } = [];
    public MarkerType MarkerType { get; set; } = MarkerType.Square;
    public double MarkerSize { get; set; } = 5;
    public OxyColor MarkerFill { get; set; } = OxyColors.Automatic;
    public OxyColor MarkerStroke { get; set; } = OxyColors.Automatic;
    public double MarkerStrokeThickness { get; set; } = 1;

    internal override void Update()
    {
        base.Update();
        Points.ForEach(point => Include(point.X, point.Y));
        chosen = MarkerFill == OxyColors.Automatic ? PlotModel.NextColor() : MarkerFill;
    }

    internal override void Render(Canvas canvas) =>
        Points.ForEach(point => Mark(canvas, Transform(point.X, point.Y), double.IsNaN(point.Size) ? MarkerSize : point.Size));

    internal override void RenderLegend(Canvas canvas, OxyRect box) => Mark(canvas, new(box.Center.X, box.Center.Y), MarkerSize);

    private void Mark(Canvas canvas, ScreenPoint at, double size) =>
        canvas.Marker(MarkerType, at, size, MarkerFill.GetActualColor(chosen), MarkerStroke.GetActualColor(chosen), MarkerStrokeThickness);
}

/// <summary>Marked points.</summary>
public class ScatterSeries : ScatterSeries<ScatterPoint>;

/// <summary>Marked points with error bars.</summary>
public class ScatterErrorSeries : ScatterSeries<ScatterErrorPoint>
{
    public OxyColor ErrorBarColor { get; set; } = OxyColors.Black;
    public double ErrorBarStrokeThickness { get; set; } = 1;

    /// <summary>Half the length of the stroke that ends a bar.</summary>
    public double ErrorBarStopWidth { get; set; } = 4;

    internal override void Render(Canvas canvas)
    {
        base.Render(canvas);
        foreach (ScatterErrorPoint point in Points)
        {
            double halfX = point.ErrorX / 2, halfY = point.ErrorY / 2;
            if (halfX > 0)
            {
                Bar(canvas, Transform(point.X - halfX, point.Y), Transform(point.X + halfX, point.Y), 0, ErrorBarStopWidth);
            }

            if (halfY > 0)
            {
                Bar(canvas, Transform(point.X, point.Y - halfY), Transform(point.X, point.Y + halfY), ErrorBarStopWidth, 0);
            }
        }
    }

    private void Bar(Canvas canvas, ScreenPoint from, ScreenPoint to, double stopX, double stopY)
    {
        canvas.Line([from, to], ErrorBarColor, ErrorBarStrokeThickness);
        foreach (ScreenPoint end in (ScreenPoint[])[from, to])
        {
            canvas.Line([new(end.X - stopX, end.Y - stopY), new(end.X + stopX, end.Y + stopY)], ErrorBarColor, ErrorBarStrokeThickness);
        }
    }
}
