using Curvature.Estimators;
using Curvature.Krylov;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The density of a spectrum, on a logarithmic scale unless told otherwise, with its 95 % interval over the runs, the eigenvalues found one by one as points and,
/// where known, all exact eigenvalues as ticks along the axis. The logarithmic scale ends a little below the height of a single eigenvalue,
/// <c>1 / (P sigma sqrt(2 pi))</c>: what is lower is the tail of the smoothing kernel.
/// </summary>
/// <param name="density">The density.</param>
/// <param name="eigenvalues">Eigenvalues found one by one, in any order; may be empty.</param>
/// <param name="exact">All exact eigenvalues, where known.</param>
/// <param name="scale">Of the density.</param>
public sealed class SpectralDensityFigure(
    SpectralDensity density,
    IReadOnlyList<Eigenvalue> eigenvalues,
    IReadOnlyList<double>? exact = null,
    FigureScale scale = FigureScale.Logarithmic) : PlotFigure
{
    private const int FewestPoints = 401, MostPoints = 1201, TickPlaces = 600;

    // Nearer to zero the smallest eigenvalue is not to be told from the bulk, and a label would only cover it.
    private const double LabelledShare = 0.03;

    // Of the width of the spectrum: by so little an eigenvalue may fall short of a node for rounding.
    private const double EndShare = 1e-4;

    // Shares of the height of the picture: between curve and label, and where the highest label stands.
    private const double Gap = 0.015, HighestLabel = 0.93;

    // What the vertical axis takes of the width, about, and the weight of the letters.
    private const double Margins = 70, NormalWeight = 400;

    private readonly double[] found = [.. eigenvalues.Select(eigenvalue => eigenvalue.Value).Where(double.IsFinite)];

    // A spectrum of a single eigenvalue has no kernel width of its own.
    private readonly double sigma = density.KernelWidth is > 0 and < double.PositiveInfinity
        ? density.KernelWidth
        : 0.01 * (double.IsFinite(density.Maximum) && density.Maximum != 0 ? Math.Abs(density.Maximum) : 1);

    /// <inheritdoc/>
    public override string Name => "spectral-density";

    /// <inheritdoc/>
    public override string Title => "Spectral density";

    /// <inheritdoc/>
    public override FigureScale? Scale => scale;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => new SpectralDensityFigure(density, eigenvalues, exact, scale == FigureScale.Linear ? FigureScale.Logarithmic : FigureScale.Linear);

    /// <inheritdoc/>
    public override string Description =>
        $"Density of the {NumberText.Of(density.Dimension)} eigenvalues on a {(scale == FigureScale.Linear ? "linear" : "logarithmic")} scale from {NumberText.Of(density.Minimum)} to " +
        $"{NumberText.Of(density.Maximum)}, by {NumberText.Of(density.Runs.Count, "run")} of stochastic Lanczos quadrature and " +
        $"{NumberText.Of(density.Products, "product")}, smoothed by a Gaussian of width {NumberText.Of(sigma, 2)}." +
        (found.Length == 0 ? "" : $" Those found one by one run from {NumberText.Of(found.Min())} to {NumberText.Of(found.Max())}.");

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        double[] grid = Grid();
        Estimate[] heights = [.. grid.Select(HeightAt)];
        double single = 1 / (density.Dimension * sigma * Math.Sqrt(2 * Math.PI));
        bool linear = scale == FigureScale.Linear;
        double floor = linear ? 0 : 0.3 * single;
        double top = (linear ? 1.1 : 2) * heights.Select(height => height.Value).Where(double.IsFinite).Append(single).Max();
        double At(double fraction) => linear ? top * fraction : floor * Math.Pow(top / floor, fraction);
        double Above(double height) => linear ? height + At(Gap) : height * At(Gap) / floor;

        PlotModel model = Model(theme);
        var across = new LinearAxis { Position = AxisPosition.Bottom, Title = "eigenvalue λ", Minimum = grid[0], Maximum = grid[^1] };
        Axis up = linear ? new LinearAxis() : new LogarithmicAxis { LabelFormatter = LogLabels(floor, top) };
        (up.Position, up.Title, up.Minimum, up.Maximum) = (AxisPosition.Left, "density", floor, top);
        model.Axes.Add(Styled(across, theme, gridlines: false));
        model.Axes.Add(Styled(up, theme, gridlines: true));
        (double, double)[] curve = [.. grid.Zip(heights, (x, height) => (x, Top(height)))];
        (TextAnnotation Text, double From, double To)[] labels =
        [
            .. Labelled(grid).Select(extreme => Label(
                extreme.Name,
                extreme.Value,
                (from, to) => Math.Clamp(Above(Highest(curve, from, to)), At(0.11), At(HighestLabel)),
                grid,
                theme)),
        ];
        if (grid[0] < 0 && grid[^1] > 0)
        {
            double end = labels.Where(label => label.From < 0 && label.To > 0).Select(label => label.Text.TextPosition.Y).Append(top).Min();
            model.Annotations.Add(new LineAnnotation
            {
                Type = LineAnnotationType.Vertical,
                X = 0,
                MaximumY = end,
                Color = theme.Axis,
                LineStyle = LineStyle.Dot,
                Layer = AnnotationLayer.BelowSeries,
            });
        }

        model.Series.Add(Curve(grid, heights, floor, theme));
        if (density.Runs.Count > 1)
        {
            model.Series.Add(Interval(grid, heights, floor, theme));
        }

        if (found.Length > 0)
        {
            model.Series.Add(Points(At(0.07), theme));
            Array.ForEach(labels, label => model.Annotations.Add(label.Text));
        }

        if (exact?.Any(double.IsFinite) == true)
        {
            model.Series.Add(Ticks(exact, floor, At(0.04), theme));
        }

        return model;
    }

    /// <summary>
    /// The extreme eigenvalues that get a label: those found that are the ends of the spectrum. Nodes lie within the spectrum, so that what falls short of them is no end of it
    /// (eigenvalues of the other end alone were looked for, or it did not converge).
    /// </summary>
    private IEnumerable<(string Name, double Value)> Labelled(double[] grid)
    {
        if (found.Length == 0)
        {
            yield break;
        }

        double slack = EndShare * (density.Maximum - density.Minimum);
        if (!(found.Max() < density.Maximum - slack))
        {
            yield return ("λ_{max}", found.Max());
        }

        if (!(found.Min() > density.Minimum + slack) && found.Min() < -LabelledShare * (grid[^1] - grid[0]))
        {
            yield return ("λ_{min}", found.Min());
        }
    }

    private AreaSeries Curve(double[] grid, Estimate[] heights, double floor, FigureTheme theme)
    {
        var series = new AreaSeries
        {
            Title = "density",
            Color = theme.Measured,
            Fill = OxyColor.FromAColor(36, theme.Measured),
            StrokeThickness = 1.4,
            LineStyle = LineStyle.Solid,
        };
        series.Points.AddRange(Thinned([.. grid.Zip(heights, (x, height) => new DataPoint(x, Math.Max(height.Value, floor)))]));
        series.Points2.AddRange([new DataPoint(grid[0], floor), new DataPoint(grid[^1], floor)]);
        return series;
    }

    private AreaSeries Interval(double[] grid, Estimate[] heights, double floor, FigureTheme theme)
    {
        var series = new AreaSeries
        {
            Title = "95 % interval",
            Color = theme.Measured,
            Fill = OxyColor.FromAColor(80, theme.Measured),
            StrokeThickness = 0,
        };
        (double Low, double High)[] intervals = [.. heights.Select(height => height.ConfidenceInterval())];
        series.Points.AddRange(Thinned([.. grid.Zip(intervals, (x, interval) => new DataPoint(x, Math.Max(interval.High, floor)))]));
        series.Points2.AddRange(Thinned([.. grid.Zip(intervals, (x, interval) => new DataPoint(x, Math.Max(interval.Low, floor)))]));
        return series;
    }

    private static LineSeries Ticks(IReadOnlyList<double> values, double from, double to, FigureTheme theme)
    {
        var series = new LineSeries { Title = "exact", Color = theme.Exact, StrokeThickness = 0.6, LineStyle = LineStyle.Solid };
        double[] ascending = [.. values.Where(double.IsFinite).Order()];
        double drawn = double.NegativeInfinity, resolution = (ascending[^1] - ascending[0]) / TickPlaces;
        foreach (double value in ascending.Where(value => value - drawn > resolution))
        {
            series.Points.AddRange([new DataPoint(value, from), new DataPoint(value, to), DataPoint.Undefined]);
            drawn = value;
        }

        return series;
    }

    /// <summary>Leaves out points on the straight line, in the picture, between their neighbours: most of the axis is empty.</summary>
    private List<DataPoint> Thinned(DataPoint[] points)
    {
        const double Tolerance = 5e-4; // of the height of the picture
        Func<double, double> place = scale == FigureScale.Linear ? y => y : Math.Log;
        double tolerance = Tolerance * (place(points.Max(point => point.Y)) - place(points.Min(point => point.Y)));
        List<DataPoint> kept = [points[0]];
        for (int i = 1; i < points.Length - 1; i++)
        {
            double share = (points[i].X - kept[^1].X) / (points[i + 1].X - kept[^1].X);
            double straight = ((1 - share) * place(kept[^1].Y)) + (share * place(points[i + 1].Y));
            if (!(Math.Abs(place(points[i].Y) - straight) <= tolerance))
            {
                kept.Add(points[i]);
            }
        }

        kept.Add(points[^1]);
        return kept;
    }

    // Ticks and circles stand where there is room: their heights say nothing.
    private protected override string UpText(string series, double value) => series is "density" or "95 % interval" ? base.UpText(series, value) : "";

    private ScatterSeries Points(double height, FigureTheme theme)
    {
        var series = new ScatterSeries
        {
            Title = "eigenvalues found",
            MarkerType = MarkerType.Circle,
            MarkerSize = 3,
            MarkerFill = theme.Background,
            MarkerStroke = theme.Ink,
            MarkerStrokeThickness = 1.2,
        };
        series.Points.AddRange(Apart().Select(value => new ScatterPoint(value, height)));
        return series;
    }

    /// <summary>Of very many those that are not drawn over one another.</summary>
    private IEnumerable<double> Apart()
    {
        double[] descending = [.. found.OrderDescending()];
        double drawn = double.PositiveInfinity, resolution = found.Length > EigenvalueFigure.MostDrawn ? (descending[0] - descending[^1]) / EigenvalueFigure.MostDrawn : double.NegativeInfinity;
        foreach (double value in descending.Where(value => drawn - value > resolution))
        {
            drawn = value;
            yield return value;
        }
    }

    /// <summary>The value at an eigenvalue, towards the side with more room and above whatever is drawn there, and the abscissas it covers.</summary>
    private (TextAnnotation Text, double From, double To) Label(string name, double value, Func<double, double, double> above, double[] grid, FigureTheme theme)
    {
        string text = $"{name}\u00A0= {NumberText.Of(value)}";
        string letters = text.Replace("_{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal);
        double range = grid[^1] - grid[0], width = range * new TextMeasurer().MeasureText(letters, null, SmallFontSize, NormalWeight).Width / (Width - Margins);
        bool isRight = value > (grid[0] + grid[^1]) / 2;
        double aside = 0.015 * range, near = isRight ? value + aside : value - aside, far = isRight ? near - width : near + width;
        (double from, double to) = isRight ? (far, near) : (near, far);
        TextAnnotation label = new()
        {
            Text = text,
            TextPosition = new DataPoint(near, above(from, to)),
            TextHorizontalAlignment = isRight ? HorizontalAlignment.Right : HorizontalAlignment.Left,
            TextVerticalAlignment = VerticalAlignment.Bottom,
            TextColor = theme.Ink,
            FontSize = SmallFontSize,
            StrokeThickness = 0,
        };
        return (label, from, to);
    }

    private static double Highest((double X, double Y)[] curve, double from, double to) =>
        curve.Where(point => point.X >= from && point.X <= to && double.IsFinite(point.Y)).Select(point => point.Y).Append(0).Max();

    /// <summary>How high the band around the curve reaches; the curve itself where there is no band.</summary>
    private static double Top(Estimate height) => height.ConfidenceInterval() is { High: var high } && double.IsFinite(high) ? high : height.Value;

    /// <summary>Abscissas over all nodes and eigenvalues, close enough for the kernel.</summary>
    private double[] Grid()
    {
        double[] ends = [density.Minimum, density.Maximum, .. found, .. exact ?? []];
        ends = [.. ends.Where(double.IsFinite).DefaultIfEmpty(0)];
        double padding = Math.Max(0.04 * (ends.Max() - ends.Min()), 4 * sigma);
        double low = ends.Min() - padding, range = ends.Max() + padding - low;
        int points = (int)Math.Clamp(2 * range / sigma, FewestPoints, MostPoints);
        return [.. Enumerable.Range(0, points).Select(i => low + (range * i / (points - 1)))];
    }

    private Estimate HeightAt(double x)
    {
        double height = 1 / (sigma * Math.Sqrt(2 * Math.PI));
        double Kernel(double node) => height * Math.Exp(-0.5 * (x - node) * (x - node) / (sigma * sigma));
        return Estimate.FromSamples([.. density.Runs.Select(run => run.Integrate(Kernel))], density.Products);
    }
}
