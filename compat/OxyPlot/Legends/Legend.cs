namespace OxyPlot.Legends;

/// <summary>Where a legend stands.</summary>
public enum LegendPosition
{
    TopLeft = 0,
    TopCenter = 1,
    TopRight = 2,
}

/// <summary>Whether a legend stands in the plot area or beyond the axes.</summary>
public enum LegendPlacement
{
    Inside = 0,
    Outside = 1,
}

/// <summary>Whether a legend's items stand side by side or one above the other.</summary>
public enum LegendOrientation
{
    Horizontal = 0,
    Vertical = 1,
}

/// <summary>The titles of the series with a sample of each.</summary>
public abstract class LegendBase : PlotElement
{
    /// <summary>OxyPlot's default is RightTop, which is the same place inside the plot area.</summary>
    public LegendPosition LegendPosition { get; set; } = LegendPosition.TopRight;
    public LegendPlacement LegendPlacement { get; set; } = LegendPlacement.Inside;
    public LegendOrientation LegendOrientation { get; set; } = LegendOrientation.Vertical;
    public double LegendFontSize { get; set; } = double.NaN;
    public double LegendItemSpacing { get; set; } = 24;
    public double LegendPadding { get; set; } = 8;
    public double LegendMargin { get; set; } = 8;

    /// <summary>The area left for the plot by a legend that stands outside.</summary>
    internal abstract OxyRect TakeSpace(Canvas canvas, OxyRect area);

    internal abstract void Render(Canvas canvas);
}

/// <summary>The titles of the series with a sample of each.</summary>
public class Legend : LegendBase
{
    private const double SymbolLength = 16, SymbolMargin = 4;

    private OxyRect outer;

    private double TextSize => double.IsNaN(LegendFontSize) ? PlotModel.DefaultFontSize : LegendFontSize;

    internal override OxyRect TakeSpace(Canvas canvas, OxyRect area)
    {
        outer = area;
        (_, OxySize size) = Arrange(canvas, area.Width);
        if (LegendPlacement == LegendPlacement.Inside || size.Height == 0)
        {
            return area;
        }

        return area.Deflate(new(0, size.Height + LegendMargin, 0, 0));
    }

    internal override void Render(Canvas canvas)
    {
        bool inside = LegendPlacement == LegendPlacement.Inside;
        OxyRect plot = PlotModel.PlotArea;
        OxyRect within = inside ? plot.Deflate(new(LegendMargin)) : new(plot.Left, outer.Top, plot.Width, outer.Height);
        (List<(Series.Series Series, OxyRect Box)> items, OxySize size) = Arrange(canvas, inside ? within.Width : outer.Width);
        if (items.Count == 0)
        {
            return;
        }

        double left = within.Left + ((within.Width - size.Width) * (int)LegendPosition / 2);
        left = inside ? left : Math.Clamp(left, outer.Left, Math.Max(outer.Left, outer.Right - size.Width));
        foreach ((Series.Series series, OxyRect box) in items)
        {
            series.RenderLegend(canvas, new(left + box.Left, within.Top + box.Top, SymbolLength, box.Height));
            ScreenPoint at = new(left + box.Left + SymbolLength + SymbolMargin, within.Top + box.Center.Y);
            canvas.Text(at, series.Title!, PlotModel.TextColor, TextSize, vertical: VerticalAlignment.Middle);
        }
    }

    /// <summary>Places the items in lines no wider than <paramref name="width"/>, relative to the legend's corner.</summary>
    private (List<(Series.Series Series, OxyRect Box)> Items, OxySize Size) Arrange(Canvas canvas, double width)
    {
        var items = new List<(Series.Series, OxyRect)>();
        double x = LegendPadding, y = LegendPadding, right = 0, bottom = 0;
        foreach (Series.Series series in PlotModel.Series.Where(series => !string.IsNullOrEmpty(series.Title)))
        {
            OxySize text = canvas.Measure(series.Title, TextSize);
            OxyRect box = new(x, y, SymbolLength + SymbolMargin + text.Width, text.Height);
            if (items.Count > 0 && (LegendOrientation == LegendOrientation.Vertical || box.Right + LegendPadding > width))
            {
                box = box with { Left = LegendPadding, Top = bottom };
            }

            items.Add((series, box));
            (x, y) = (box.Right + LegendItemSpacing, box.Top);
            (right, bottom) = (Math.Max(right, box.Right), box.Bottom);
        }

        return (items, items.Count == 0 ? default : new(right + LegendPadding, bottom + LegendPadding));
    }
}
