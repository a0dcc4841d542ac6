namespace OxyPlot.Annotations;

/// <summary>Direction of a line.</summary>
public enum LineAnnotationType
{
    Horizontal = 0,
    Vertical = 1,
}

/// <summary>An annotation along a line.</summary>
public abstract class PathAnnotation : TextualAnnotation
{
    public OxyColor Color { get; set; } = OxyColor.FromRgb(0, 0, 255);
    public double StrokeThickness { get; set; } = 1;
    public LineStyle LineStyle { get; set; } = LineStyle.Dash;
    public double MaximumY { get; set; } = double.MaxValue;
}

/// <summary>A line across the plot area.</summary>
public class LineAnnotation : PathAnnotation
{
    public LineAnnotationType Type { get; set; }
    public double X { get; set; }
    public double Y { get; set; }

    internal override void Render(Canvas canvas)
    {
        bool vertical = Type == LineAnnotationType.Vertical;
        Axes.Axis axis = PlotModel.FindAxis(horizontal: vertical);
        double value = vertical ? X : Y, at = axis.Transform(value);
        if (value >= axis.Low && value <= axis.High)
        {
            OxyRect area = PlotModel.PlotArea;
            double end = vertical ? Math.Max(area.Top, PlotModel.FindAxis(horizontal: false).Transform(MaximumY)) : area.Top;
            canvas.Line(
                vertical ? [new(at, end), new(at, area.Bottom)] : [new(area.Left, at), new(area.Right, at)],
                Color,
                StrokeThickness,
                LineStyle);
        }
    }
}
