using Curvature.Estimators;
using Curvature.Sharpness;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The ends of the spectra of mini-batch Hessians by batch size, measured and predicted, on logarithmic axes unless told otherwise: the largest eigenvalue, and the smallest with its sign turned.
/// </summary>
/// <param name="found">What was measured.</param>
/// <param name="scale">Of the eigenvalues.</param>
public sealed class BatchSizeFigure(BatchSizeMeasurement found, FigureScale scale = FigureScale.Logarithmic) : PlotFigure
{
    private const int CurvePoints = 80, MostLabels = 8;
    private const double Margin = 0.3;

    private readonly BatchEigenvalues[] sizes = [.. found.Measured.Where(size => double.IsFinite(size.Largest.Value) && double.IsFinite(size.Smallest.Value))];

    /// <inheritdoc/>
    public override string Name => "batch-sizes";

    /// <inheritdoc/>
    public override string Title => "Eigenvalues by batch size";

    /// <inheritdoc/>
    public override FigureScale? Scale => scale;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => new BatchSizeFigure(found, scale == FigureScale.Linear ? FigureScale.Logarithmic : FigureScale.Linear);

    /// <inheritdoc/>
    public override string Description => sizes.Length == 0
        ? "No eigenvalue."
        : $"Largest eigenvalue of mini-batch Hessians from {NumberText.Of(sizes[0].Largest.Value)} at batches of {NumberText.Of((long)sizes[0].BatchSize)} to {NumberText.Of(sizes[^1].Largest.Value)} at "
          + $"{NumberText.Of((long)sizes[^1].BatchSize)}; the law with the noise along the sharpest direction predicts {NumberText.Of(found.Directional.LargestAt(sizes[0].BatchSize))} and "
          + $"{NumberText.Of(found.Directional.LargestAt(sizes[^1].BatchSize))}. Smallest from {NumberText.Of(sizes[0].Smallest.Value)} to {NumberText.Of(sizes[^1].Smallest.Value)}.";

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        double[] batches = Curve();
        (double X, double Y)[] directional = [.. batches.Select(b => (b, found.Directional.LargestAt(b)))], isotropic = [.. batches.Select(b => (b, found.Isotropic.LargestAt(b)))];
        (double X, double Y)[] below = [.. batches.Select(b => (b, -found.Isotropic.SmallestAt(b)))];
        double[] heights =
        [
            .. ((IEnumerable<double>)[.. sizes.Select(size => size.Largest.Value), .. sizes.Select(size => -size.Smallest.Value), .. directional.Select(p => p.Y), .. isotropic.Select(p => p.Y), .. below.Select(p => p.Y)])
                .Where(value => double.IsFinite(value) && value > 0),
        ];
        double top = heights.DefaultIfEmpty(1).Max(), floor = Math.Max(heights.DefaultIfEmpty(0.1).Min(), 1e-4 * top);
        (double low, double high) = scale == FigureScale.Linear ? (0, 1.05 * sizes.Select(size => size.Largest.Value + Half(size.Largest)).Append(top).Max()) : (floor / 1.5, top * 1.5);

        // Powers of two, which a logarithmic axis to base ten does not label.
        double first = Math.Log2(batches[0]) - Margin, last = Math.Log2(batches[^1]) + Margin;
        LinearAxis across = new() { Position = AxisPosition.Bottom, Title = "batch size", Minimum = first, Maximum = last, MajorStep = Math.Max(1, Math.Ceiling((last - first) / MostLabels)) };
        across.LabelFormatter = value => NumberText.Of((long)Math.Round(Math.Pow(2, value)));
        Axis up = scale == FigureScale.Linear ? new LinearAxis() : new LogarithmicAxis { LabelFormatter = LogLabels(low, high) };
        (up.Position, up.Title, up.Minimum, up.Maximum) = (AxisPosition.Left, "|eigenvalue|", low, high);
        model.Axes.Add(Styled(across, theme, gridlines: false));
        model.Axes.Add(Styled(up, theme, gridlines: true));
        model.Series.Add(Line("law, noise along the sharpest direction", directional, theme.Exact, LineStyle.Solid, low));
        model.Series.Add(Line("law, isotropic noise", isotropic, theme.Axis, LineStyle.Dash, low));
        model.Series.Add(Line(null, below, theme.Axis, LineStyle.Dash, low));
        model.Series.Add(Points("λmax", theme, theme.Measured, size => size.Largest, 1));
        model.Series.Add(Points("−λmin", theme, theme.Background, size => size.Smallest, -1));
        return model;
    }

    private protected override string AcrossText(double value) => NumberText.Of((long)Math.Round(Math.Pow(2, value)));

    private static LineSeries Line(string? title, (double X, double Y)[] points, OxyColor color, LineStyle style, double low)
    {
        LineSeries line = new() { Title = title, Color = color, StrokeThickness = 1.4, LineStyle = style };
        line.Points.AddRange(points.Where(point => double.IsFinite(point.Y) && point.Y >= low).Select(point => new DataPoint(Math.Log2(point.X), point.Y)));
        return line;
    }

    private ScatterErrorSeries Points(string title, FigureTheme theme, OxyColor fill, Func<BatchEigenvalues, Estimate> end, int sign)
    {
        ScatterErrorSeries series = new()
        {
            Title = title,
            MarkerType = MarkerType.Circle,
            MarkerSize = 3.5,
            MarkerFill = fill,
            MarkerStroke = theme.Measured,
            MarkerStrokeThickness = 1.2,
            ErrorBarColor = theme.Measured,
            ErrorBarStrokeThickness = 1.2,
            ErrorBarStopWidth = 3,
        };
        foreach (BatchEigenvalues size in sizes)
        {
            double value = sign * end(size).Value, half = Half(end(size));
            if (value > 0)
            {
                series.Points.Add(new ScatterErrorPoint(Math.Log2(size.BatchSize), value, 0, 2 * Math.Min(half, 0.9 * value), tag: NumberText.Of(end(size) with { Value = value })));
            }
        }

        return series;
    }

    /// <summary>Half a 95 % interval; none where it is unknown.</summary>
    private static double Half(Estimate estimate)
    {
        (double low, double high) = estimate.ConfidenceInterval();
        return double.IsFinite(high - low) ? (high - low) / 2 : 0;
    }

    /// <summary>Batch sizes from the smallest to the largest measured, even on a logarithmic axis.</summary>
    private double[] Curve()
    {
        (double from, double to) = sizes.Length == 0 ? (1, 2) : (sizes[0].BatchSize, Math.Max(sizes[^1].BatchSize, 1.01 * sizes[0].BatchSize));
        return [.. Enumerable.Range(0, CurvePoints).Select(i => from * Math.Pow(to / from, (double)i / (CurvePoints - 1)))];
    }
}
