using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// One picture of one result. A new figure of a report is one file that derives from this and one line in <see cref="KnownFigures"/>; pictures of
/// other results derive from it elsewhere.
/// At its natural size it fills a column of a paper: 420 units across 8.8 cm print its text at 7 points.
/// </summary>
public abstract class Figure
{
    private protected const double FontSize = 12, SmallFontSize = 11;

    /// <summary>Name of its file without the extension, in kebab case.</summary>
    public abstract string Name { get; }

    /// <summary>Caption in a few words.</summary>
    public abstract string Title { get; }

    /// <summary>What is to be seen, in numbers, for readers who cannot see it.</summary>
    public abstract string Description { get; }

    /// <summary>Natural width in CSS pixels.</summary>
    public virtual double Width => 420;

    /// <summary>Natural height in CSS pixels.</summary>
    public virtual double Height => 270;

    /// <summary>The plot in the colours of <paramref name="theme"/>; a new model at each call.</summary>
    public abstract PlotModel Draw(FigureTheme theme);

    /// <summary>The picture as an SVG element, without an XML declaration.</summary>
    /// <exception cref="CurvatureException">The plot could not be drawn.</exception>
    public string ToSvg(FigureTheme theme)
    {
        PlotModel model = Draw(theme);
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
