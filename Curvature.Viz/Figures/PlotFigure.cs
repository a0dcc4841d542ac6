using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>A figure that is a plot with axes.</summary>
public abstract class PlotFigure : Figure
{
    private protected const double FontSize = 12, SmallFontSize = 11;

    // More are not told apart by pointing, and a page is to stay below a megabyte.
    private const int MostMarks = 200;

    /// <summary>The plot in the colours of <paramref name="theme"/>; a new model at each call.</summary>
    public abstract PlotModel Draw(FigureTheme theme);

    /// <inheritdoc/>
    public sealed override string ToSvg(FigureTheme theme) => Render(Draw(theme));

    /// <inheritdoc/>
    public sealed override FigureMarks Marks()
    {
        PlotModel model = Draw(FigureTheme.Paper);
        Render(model); // places the axes
        Axis across = model.Axes.First(axis => axis.Position == AxisPosition.Bottom), up = model.Axes.First(axis => axis.Position == AxisPosition.Left);
        return new FigureMarks(across.Title ?? "", up.Title ?? "", [.. Marked(model, across, up).Where(series => series.Marks.Count > 0)]);
    }

    /// <summary>The values to point at: the points of all series that have a title, at most 200 of each. The axes are placed.</summary>
    private protected virtual IEnumerable<MarkedSeries> Marked(PlotModel model, Axis across, Axis up) =>
        model.Series.Where(series => series.Title is not null).Select(series => new MarkedSeries(series.Title!, Thinned([.. Places(series, across, up)])));

    private static FigureMark[] Thinned(FigureMark[] marks) =>
        marks.Length <= MostMarks ? marks : [.. Enumerable.Range(0, MostMarks).Select(i => marks[(int)((long)i * (marks.Length - 1) / (MostMarks - 1))])];

    /// <summary>What is said of a place across; nothing where the text is empty.</summary>
    private protected virtual string AcrossText(double value) => NumberText.Of(value);

    /// <summary>What is said of a height; nothing where the text is empty.</summary>
    private protected virtual string UpText(string series, double value) => NumberText.Of(value);

    /// <summary>What is said of a bar; null: its length.</summary>
    /// <param name="category">Which, in the order of the axis.</param>
    private protected virtual string? BarText(int category) => null;

    private IEnumerable<FigureMark> Places(Series series, Axis across, Axis up)
    {
        // The tag of a point with an error bar is the value with its error in words.
        IEnumerable<(double X, double Y, string? Words)> points = series switch
        {
            AreaSeries area when area.StrokeThickness == 0 => area.Points.Concat(area.Points2).Select(point => (point.X, point.Y, (string?)null)),
            DataPointSeries line => line.Points.Select(point => (point.X, point.Y, (string?)null)),
            ScatterErrorSeries scatter => scatter.Points.Select(point => (point.X, point.Y, point.Tag as string)),
            ScatterSeries scatter => scatter.Points.Select(point => (point.X, point.Y, (string?)null)),
            BarSeries bars => bars.Items.Select((bar, i) => bar.CategoryIndex < 0 ? i : bar.CategoryIndex).Zip(bars.Items, (i, bar) => (bar.Value, (double)i, BarText(i))),
            _ => [],
        };
        FigureMark? before = null;
        foreach ((double x, double y, string? words) in points)
        {
            if (IsOn(across, x) && IsOn(up, y))
            {
                FigureMark mark = up is CategoryAxis names
                    ? new(across.Transform(x), up.Transform(y), words ?? AcrossText(x), names.Labels[(int)y])
                    : new(across.Transform(x), up.Transform(y), AcrossText(x), words ?? UpText(series.Title!, y));
                if (mark.Across != before?.Across || mark.Up != before.Up) // else nothing new would be said
                {
                    yield return mark;
                }

                before = mark;
            }
        }

        static bool IsOn(Axis axis, double value) => double.IsFinite(value) && !(value < axis.Minimum || value > axis.Maximum); // an end may be NaN
    }

    private string Render(PlotModel model)
    {
        var exporter = new SvgExporter
        {
            Width = Width,
            Height = Height,
            IsDocument = false,
            UseVerticalTextAlignmentWorkaround = true,
            TextMeasurer = new TextMeasurer(),
        };
        string svg = exporter.ExportToString(model);
        return model.GetLastPlotException() is { } failure
            ? throw new CurvatureException($"The figure '{Name}' could not be drawn: {failure.Message}", failure)
            : svg;
    }

    /// <summary>An empty plot in the house style, its legend above it.</summary>
    protected static PlotModel Model(FigureTheme theme) => new()
    {
        Culture = CultureInfo.InvariantCulture,
        DefaultFont = "Helvetica, Arial, sans-serif",
        DefaultFontSize = FontSize,
        Background = theme.Background,
        TextColor = theme.Ink,
        PlotAreaBorderColor = theme.Axis,
        PlotAreaBorderThickness = new OxyThickness(1, 0, 0, 1),
        Padding = new OxyThickness(6, 6, 10, 6),
        Legends =
        {
            new Legend
            {
                LegendPlacement = LegendPlacement.Outside,
                LegendPosition = LegendPosition.TopLeft,
                LegendOrientation = LegendOrientation.Horizontal,
                LegendFontSize = SmallFontSize,
                LegendItemSpacing = 14,
                LegendPadding = 2,
                LegendMargin = 6,
            },
        },
    };

    /// <summary>Labels of a logarithmic axis: plain numbers where all are short, else powers of ten.</summary>
    protected static Func<double, string> LogLabels(double low, double high)
    {
        const double Shortest = 0.001, Longest = 10_000;
        return low >= Shortest && high < Longest ? value => value.ToString("0.###", CultureInfo.InvariantCulture) : Power;

        static string Power(double value)
        {
            double exponent = Math.Floor(Math.Log10(value) + 1e-9), mantissa = Math.Round(value / Math.Pow(10, exponent), 3);
            string power = string.Create(CultureInfo.InvariantCulture, $"10^{{{exponent}}}").Replace('-', '−');
            return mantissa == 1 ? power : string.Create(CultureInfo.InvariantCulture, $"{mantissa}·{power}");
        }
    }

    /// <summary>An empty series for numbers that are known exactly.</summary>
    private protected static ScatterSeries ExactPoints(FigureTheme theme) =>
        new() { Title = "exact", MarkerType = MarkerType.Diamond, MarkerSize = 3.5, MarkerFill = theme.Exact, MarkerStrokeThickness = 0 };

    /// <summary>The same axis with the house's ticks, colours and distances.</summary>
    protected static T Styled<T>(T axis, FigureTheme theme, bool gridlines)
        where T : Axis
    {
        axis.TicklineColor = theme.Axis;
        axis.IntervalLength = axis.Position == AxisPosition.Bottom ? 60 : 32;
        axis.AxisTitleDistance = 6;
        axis.MajorTickSize = 5;
        axis.MinorTickSize = 0;
        axis.AxisTickToLabelDistance = 3;
        axis.MajorGridlineStyle = gridlines ? LineStyle.Solid : LineStyle.None;
        axis.MajorGridlineColor = theme.Grid;
        return axis;
    }
}
