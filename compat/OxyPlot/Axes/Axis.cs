namespace OxyPlot.Axes;

/// <summary>Maps values to positions in the picture and draws ticks, labels and gridlines.</summary>
public abstract class Axis : PlotElement
{
    private double scale, offset;

    public AxisPosition Position { get; set; } = AxisPosition.Left;
    public string? Title { get; set; }

    /// <summary>Lower end; NaN: from the data.</summary>
    public double Minimum { get; set; } = double.NaN;

    /// <summary>Upper end; NaN: from the data.</summary>
    public double Maximum { get; set; } = double.NaN;

    /// <summary>Distance of the major ticks; NaN: chosen.</summary>
    public double MajorStep { get; set; } = double.NaN;

    /// <summary>Where the axis begins, as a fraction of the plot area; above <see cref="EndPosition"/> the axis is reversed.</summary>
    public double StartPosition { get; set; }
    public double EndPosition { get; set; } = 1;

    /// <summary>Smallest distance between major ticks, in units of the picture.</summary>
    public double IntervalLength { get; set; } = 60;
    public TickStyle TickStyle { get; set; } = TickStyle.Outside;
    public OxyColor TicklineColor { get; set; } = OxyColors.Black;
    public double MajorTickSize { get; set; } = 7;
    public double MinorTickSize { get; set; } = 4;
    public LineStyle MajorGridlineStyle { get; set; } = LineStyle.None;
    public OxyColor MajorGridlineColor { get; set; } = OxyColor.FromArgb(0x40, 0, 0, 0);

    /// <summary>Makes the labels; none: six significant digits.</summary>
    public Func<double, string>? LabelFormatter { get; set; }
    public double AxisTickToLabelDistance { get; set; } = 4;
    public double AxisTitleDistance { get; set; } = 4;
    internal bool IsHorizontal => Position == AxisPosition.Bottom;
    internal double Low { get; private set; }
    internal double High { get; private set; }

    /// <summary>Length of the axis in the picture.</summary>
    internal double Length { get; private set; }
    private protected double DataLow { get; private set; }
    private protected double DataHigh { get; private set; }
    private double Thickness { get; set; }

    internal void ResetData() => (DataLow, DataHigh) = (double.PositiveInfinity, double.NegativeInfinity);

    internal void Include(double value)
    {
        if (IsValid(value))
        {
            DataLow = Math.Min(DataLow, value);
            DataHigh = Math.Max(DataHigh, value);
        }
    }

    internal virtual bool IsValid(double value) => double.IsFinite(value);

    internal void UpdateRange()
    {
        (double low, double high) = DataRange();
        Low = double.IsNaN(Minimum) ? low : Minimum;
        High = double.IsNaN(Maximum) ? high : Maximum;
        if (!(IsValid(Low) && IsValid(High) && Low < High))
        {
            throw new InvalidOperationException($"The axis '{Title}' cannot run from {Low:R} to {High:R}.");
        }
    }

    internal void UpdateTransform(OxyRect area)
    {
        Length = IsHorizontal ? area.Width : area.Height;
        (double start, double end) = IsHorizontal
            ? (area.Left + (StartPosition * Length), area.Left + (EndPosition * Length))
            : (area.Bottom - (StartPosition * Length), area.Bottom - (EndPosition * Length));
        scale = (end - start) / (Forward(High) - Forward(Low));
        offset = start - (scale * Forward(Low));
    }

    /// <summary>Position of a value in the picture; NaN where the axis has none.</summary>
    public virtual double Transform(double x) => IsValid(x) ? offset + (scale * Forward(x)) : double.NaN;

    internal OxyThickness Measure(Canvas canvas)
    {
        double width = 0, height = 0;
        foreach (double value in Ticks().Labels)
        {
            OxySize size = canvas.Measure(Format(value), ActualFontSize);
            width = Math.Max(width, size.Width);
            height = Math.Max(height, size.Height);
        }

        Thickness = (TickStyle == TickStyle.Outside ? MajorTickSize : 0) + AxisTickToLabelDistance + (IsHorizontal ? height : width);
        Thickness += string.IsNullOrEmpty(Title) ? 0 : AxisTitleDistance + canvas.Measure(Title, ActualFontSize).Height;
        return IsHorizontal ? new(width / 2, 0, width / 2, Thickness) : new(Thickness, height / 2, 0, height / 2);
    }

    internal void RenderGrid(Canvas canvas)
    {
        OxyRect area = PlotModel.PlotArea;
        (_, double[] major, double[] minor) = Ticks();
        foreach (double at in major.Select(Transform))
        {
            canvas.Line(
                IsHorizontal ? [new(at, area.Top), new(at, area.Bottom)] : [new(area.Left, at), new(area.Right, at)],
                MajorGridlineColor,
                1,
                MajorGridlineStyle);
        }

        if (TickStyle == TickStyle.Outside)
        {
            RenderTicks(canvas, minor, MinorTickSize);
            RenderTicks(canvas, major, MajorTickSize);
        }
    }

    internal void RenderLabels(Canvas canvas)
    {
        OxyRect area = PlotModel.PlotArea;
        double distance = (TickStyle == TickStyle.Outside ? MajorTickSize : 0) + AxisTickToLabelDistance;
        foreach (double value in Ticks().Labels)
        {
            ScreenPoint at = IsHorizontal ? new(Transform(value), area.Bottom + distance) : new(area.Left - distance, Transform(value));
            (HorizontalAlignment horizontal, VerticalAlignment vertical) = IsHorizontal
                ? (HorizontalAlignment.Center, VerticalAlignment.Top)
                : (HorizontalAlignment.Right, VerticalAlignment.Middle);
            canvas.Text(at, Format(value), ActualTextColor, ActualFontSize, horizontal, vertical);
        }

        if (!string.IsNullOrEmpty(Title))
        {
            (double x, double y) = area.Center;
            ScreenPoint at = IsHorizontal ? new(x, area.Bottom + Thickness) : new(area.Left - Thickness, y);
            VerticalAlignment vertical = IsHorizontal ? VerticalAlignment.Bottom : VerticalAlignment.Top;
            canvas.Text(at, Title, ActualTextColor, ActualFontSize, HorizontalAlignment.Center, vertical, IsHorizontal ? 0 : -90);
        }
    }

    /// <summary>Values to label, values of major ticks and gridlines, values of minor ticks: all within the range.</summary>
    internal abstract (double[] Labels, double[] Major, double[] Minor) Ticks();

    internal virtual string Format(double value) => LabelFormatter?.Invoke(value) ?? value.ToString("g6", PlotModel.ActualCulture);

    /// <summary>The monotone scale: the identity, or a logarithm.</summary>
    private protected virtual double Forward(double value) => value;

    /// <summary>The ends that the data ask for.</summary>
    private protected abstract (double Low, double High) DataRange();

    private void RenderTicks(Canvas canvas, double[] values, double size)
    {
        OxyRect area = PlotModel.PlotArea;
        foreach (double at in values.Where(_ => size > 0).Select(Transform))
        {
            canvas.Line(
                IsHorizontal ? [new(at, area.Bottom), new(at, area.Bottom + size)] : [new(area.Left - size, at), new(area.Left, at)],
                TicklineColor,
                1);
        }
    }
}
