using OxyPlot.Axes;

namespace OxyPlot.Series;

/// <summary>What bars have in common.</summary>
public abstract class BarItemBase
{
    /// <summary>Which name the bar belongs to; -1: its place in the list.</summary>
    public int CategoryIndex { get; set; } = -1;
}

/// <summary>A bar.</summary>
public class BarItem : BarItemBase
{
    public BarItem(double value, int categoryIndex = -1) => (Value, CategoryIndex) = (value, categoryIndex);

    public double Value { get; set; }
    public OxyColor Color { get; set; } = OxyColors.Automatic;
}

/// <summary>Bars on a category axis.</summary>
public abstract class BarSeriesBase<T> : XYAxisSeries
    where T : BarItemBase
{
    public List<T> Items { get; } = [];
}

/// <summary>Horizontal bars from zero; the bars of several series stand side by side.</summary>
public class BarSeries : BarSeriesBase<BarItem>
{
    private OxyColor chosen;

    public OxyColor FillColor { get; set; } = OxyColors.Automatic;

    internal override void Update()
    {
        base.Update();
        X.Include(0);
        Items.ForEach(item => X.Include(item.Value));
        chosen = FillColor == OxyColors.Automatic ? PlotModel.NextColor() : FillColor;
    }

    internal override void Render(Canvas canvas)
    {
        BarSeries[] all = [.. PlotModel.Series.OfType<BarSeries>()];
        double width = 1 / (1 + ((CategoryAxis)Y).GapWidth) / all.Length, aside = Array.IndexOf(all, this) - (all.Length / 2.0);
        for (int i = 0; i < Items.Count; i++)
        {
            double low = (Items[i].CategoryIndex < 0 ? i : Items[i].CategoryIndex) + (width * aside);
            ScreenPoint from = Transform(0, low), to = Transform(Items[i].Value, low + width);
            OxyRect bar = new(Math.Min(from.X, to.X), Math.Min(from.Y, to.Y), Math.Abs(from.X - to.X), Math.Abs(from.Y - to.Y));
            canvas.Rectangle(bar, Items[i].Color.GetActualColor(chosen));
        }
    }

    internal override void RenderLegend(Canvas canvas, OxyRect box)
    {
        double side = 0.7 * box.Height;
        canvas.Rectangle(new(box.Center.X - (side / 2), box.Center.Y - (side / 2), side, side), chosen);
    }
}
