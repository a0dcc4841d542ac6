using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>Curves over the steps of a training. Long ones are thinned to what a picture can show: of each stretch the lowest and the highest point.</summary>
/// <param name="name">Name of its file.</param>
/// <param name="title">Caption in a few words.</param>
/// <param name="axis">What goes up.</param>
/// <param name="curves">The curves.</param>
/// <param name="logarithmic">Whether the vertical axis is logarithmic, where there is something above zero; what is not is then a gap.</param>
/// <param name="across">What goes across.</param>
public sealed class CurvesFigure(string name, string title, string axis, IReadOnlyList<Curve> curves, bool logarithmic = false, string across = "step") : PlotFigure
{
    private const int Stretches = 150;
    private const double Room = 0.08;

    private readonly double[] heights = [.. curves.SelectMany(curve => curve.Points).Select(point => point.Y).Where(y => double.IsFinite(y) && (!logarithmic || y > 0))];

    /// <inheritdoc/>
    public override string Name => name;

    /// <inheritdoc/>
    public override string Title => title;

    /// <inheritdoc/>
    public override FigureScale? Scale => logarithmic && heights.Length > 0 ? FigureScale.Logarithmic : AllPositive ? FigureScale.Linear : null;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => Scale is null ? null : new CurvesFigure(name, title, axis, curves, !logarithmic, across);

    /// <inheritdoc/>
    public override string Description => string.Join(" ", curves.Where(curve => curve.Title.Length > 0).Select(Words));

    /// <inheritdoc/>
    public override double Width => 560;

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        double[] steps = [.. curves.SelectMany(curve => curve.Points).Select(point => point.X).Where(double.IsFinite)];
        (double first, double last) = steps.Length == 0 ? (0, 1) : (steps.Min(), steps.Max() > steps.Min() ? steps.Max() : steps.Min() + 1);
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = across, Minimum = first, Maximum = last }, theme, gridlines: false));
        model.Axes.Add(Styled(Up(), theme, gridlines: true));
        foreach (Curve curve in curves)
        {
            model.Series.Add(Line(curve, theme));
        }

        return model;
    }

    private bool AllPositive => heights.Length > 0 && heights.All(height => height > 0);

    private Axis Up()
    {
        double low = heights.DefaultIfEmpty(0).Min(), high = heights.DefaultIfEmpty(1).Max();
        if (logarithmic && heights.Length > 0)
        {
            double top = 1.3 * Math.Max(high, low * 1.5), floor = low / 1.3;
            return new LogarithmicAxis { Position = AxisPosition.Left, Title = axis, Minimum = floor, Maximum = top, LabelFormatter = LogLabels(floor, top) };
        }

        double room = Room * (high > low ? high - low : Math.Max(Math.Abs(high), 1));
        return new LinearAxis { Position = AxisPosition.Left, Title = axis, Minimum = low >= 0 && low < 0.5 * high ? 0 : low - room, Maximum = high + room };
    }

    private LineSeries Line(Curve curve, FigureTheme theme)
    {
        LineSeries line = new()
        {
            Title = curve.Title.Length > 0 ? curve.Title : null,
            Color = curve.Kind switch { CurveKind.Measured => theme.Measured, CurveKind.Limit => theme.Ink, CurveKind.Beside => theme.Exact, _ => theme.Axis },
            StrokeThickness = curve.Kind == CurveKind.Limit ? 1.1 : 1.5,
            LineStyle = curve.Kind == CurveKind.Limit ? LineStyle.Dash : LineStyle.Solid,
        };
        line.Points.AddRange(Thinned(curve.Points).Select(point => new DataPoint(point.X, double.IsFinite(point.Y) && (!logarithmic || point.Y > 0) ? point.Y : double.NaN)));
        return line;
    }

    /// <summary>The lowest and the highest point of each stretch, in their order; a stretch with a gap keeps it.</summary>
    private static IEnumerable<(double X, double Y)> Thinned(IReadOnlyList<(double X, double Y)> points)
    {
        if (points.Count <= 2 * Stretches)
        {
            return points;
        }

        return points.Chunk((points.Count + Stretches - 1) / Stretches).SelectMany(stretch =>
        {
            (double X, double Y)[] kept = [stretch.MinBy(point => point.Y), stretch.MaxBy(point => point.Y), .. stretch.Where(point => !double.IsFinite(point.Y)).Take(1)];
            return kept.Distinct().OrderBy(point => point.X);
        });
    }

    private static string Place(double x) => double.IsInteger(x) ? NumberText.Of((long)x) : NumberText.Of(x, 3);

    private string Words(Curve curve)
    {
        (double X, double Y)[] finite = [.. curve.Points.Where(point => double.IsFinite(point.Y))];
        return finite.Length == 0
            ? $"{curve.Title}: nothing finite."
            : $"{curve.Title}: from {NumberText.Of(finite[0].Y)} at {across} {Place(finite[0].X)} to {NumberText.Of(finite[^1].Y)} at {across} {Place(finite[^1].X)}, between {NumberText.Of(finite.Min(point => point.Y))} and {NumberText.Of(finite.Max(point => point.Y))}.";
    }
}
