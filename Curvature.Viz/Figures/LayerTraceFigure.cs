using Curvature.Estimators;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The trace of each layer's block as a bar with its 95 % interval, in the order of the model, beside the exact trace where known. Of many
/// layers the <see cref="MostLayers"/> with the largest traces are drawn. On a logarithmic scale, which has no zero for bars to start from, points stand in their place.
/// </summary>
/// <param name="layers">Traces by layer.</param>
/// <param name="exact">Exact traces by layer name, where known.</param>
/// <param name="scale">Of the traces; logarithmic where all are positive only.</param>
public sealed class LayerTraceFigure(IReadOnlyList<LayerTrace> layers, IReadOnlyDictionary<string, double>? exact = null, FigureScale scale = FigureScale.Linear) : PlotFigure
{
    /// <summary>Layers that fit a page.</summary>
    public const int MostLayers = 30;

    private const int LongestName = 26;
    private const string Legend = "estimate, 95 % interval";

    private readonly LayerTrace[] drawn = layers.Count <= MostLayers ? [.. layers] : Largest(layers);

    /// <inheritdoc/>
    public override string Name => "layer-traces";

    /// <inheritdoc/>
    public override string Title =>
        drawn.Length == layers.Count ? "Trace by layer" : $"Trace by layer: the {drawn.Length} largest of {layers.Count}";

    /// <inheritdoc/>
    public override FigureScale? Scale => !AllPositive ? null : IsLogarithmic ? FigureScale.Logarithmic : FigureScale.Linear;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => AllPositive ? new LayerTraceFigure(layers, exact, IsLogarithmic ? FigureScale.Linear : FigureScale.Logarithmic) : null;

    /// <inheritdoc/>
    public override string Description => string.Join(' ', (string[])
    [
        $"{NumberText.Of(drawn.Length, "bar")}, one for each layer.",
        .. drawn.OrderByDescending(layer => layer.Trace.Value).Take(3)
            .Select(layer => $"{PrintableName.Of(layer.Name)}: {NumberText.Of(layer.Trace)}."),
    ]);

    /// <inheritdoc/>
    public override double Height => 80 + (22 * Math.Max(2, drawn.Length));

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var names = new CategoryAxis
        {
            Position = AxisPosition.Left,
            StartPosition = 1, // the first layer on top
            EndPosition = 0,
            GapWidth = 0.6,
            TickStyle = TickStyle.None,
        };
        names.Labels.AddRange(drawn.Select(layer => PrintableName.Of(layer.Name, LongestName)));
        model.Axes.Add(Styled(names, theme, gridlines: false));
        (double low, double high) = Range();
        Axis traces = IsLogarithmic ? new LogarithmicAxis { LabelFormatter = LogLabels(low, high) } : new LinearAxis();
        (traces.Position, traces.Title, traces.Minimum, traces.Maximum) = (AxisPosition.Bottom, "trace", low, high);
        model.Axes.Add(Styled(traces, theme, gridlines: true));

        if (!IsLogarithmic)
        {
            var bars = new BarSeries { Title = Legend, FillColor = OxyColor.FromAColor(150, theme.Measured) };
            bars.Items.AddRange(drawn.Select((layer, i) => new BarItem(layer.Trace.Value, i)));
            model.Series.Add(bars);
        }

        model.Series.Add(Intervals(theme, low));
        if (exact is not null)
        {
            model.Series.Add(Exact(exact, theme));
        }

        return model;
    }

    private protected override string? BarText(int category) => NumberText.Of(drawn[category].Trace);

    private bool AllPositive => drawn.All(layer => layer.Trace.Value > 0 && double.IsFinite(layer.Trace.Value));

    private bool IsLogarithmic => scale == FigureScale.Logarithmic && AllPositive;

    private static LayerTrace[] Largest(IReadOnlyList<LayerTrace> layers)
    {
        HashSet<LayerTrace> kept = [.. layers.OrderByDescending(layer => Math.Abs(layer.Trace.Value)).Take(MostLayers)];
        return [.. layers.Where(kept.Contains)];
    }

    /// <summary>The axis from zero to the ends of all intervals and beyond by a margin.</summary>
    private (double Low, double High) Range()
    {
        const double Margin = 0.04, Ratio = 1.3, Deepest = 0.1; // bars of the logarithmic scale are cut at a tenth of their value
        if (IsLogarithmic)
        {
            IEnumerable<double> ends = drawn.SelectMany(layer => (double[])[layer.Trace.Value, Math.Max(layer.Trace.ConfidenceInterval().Low, Deepest * layer.Trace.Value), layer.Trace.ConfidenceInterval().High, exact?.GetValueOrDefault(layer.Name) ?? 0]);
            double[] positive = [.. ends.Where(end => end > 0 && double.IsFinite(end))];
            return (positive.Min() / Ratio, positive.Max() * Ratio);
        }

        IEnumerable<double> all = drawn.SelectMany(layer =>
        {
            (double low, double high) = layer.Trace.ConfidenceInterval();
            return (double[])[layer.Trace.Value, low, high, exact?.GetValueOrDefault(layer.Name) ?? 0];
        });
        double[] finite = [0, .. all.Where(double.IsFinite)];
        double low = finite.Min(), high = finite.Max(), margin = Margin * (high > low ? high - low : 1);
        return (low < 0 ? low - margin : 0, high + margin);
    }

    private ScatterErrorSeries Intervals(FigureTheme theme, double least)
    {
        var series = new ScatterErrorSeries
        {
            Title = IsLogarithmic ? Legend : null,
            MarkerType = IsLogarithmic ? MarkerType.Circle : MarkerType.None,
            MarkerSize = 3.5,
            MarkerFill = theme.Measured,
            MarkerStrokeThickness = 0,
            ErrorBarColor = theme.Ink,
            ErrorBarStrokeThickness = 1.2,
            ErrorBarStopWidth = 3.5,
        };
        for (int i = 0; i < drawn.Length; i++)
        {
            (double low, double high) = drawn[i].Trace.ConfidenceInterval();
            double value = drawn[i].Trace.Value, length = double.IsFinite(high - low) ? high - low : 0;
            series.Points.Add(new ScatterErrorPoint(value, i, IsLogarithmic ? Math.Min(length, 2 * (value - least)) : length, 0, tag: NumberText.Of(drawn[i].Trace))); // not to zero on a logarithmic scale
        }

        return series;
    }

    private ScatterSeries Exact(IReadOnlyDictionary<string, double> traces, FigureTheme theme)
    {
        ScatterSeries series = ExactPoints(theme);
        for (int i = 0; i < drawn.Length; i++)
        {
            if (traces.TryGetValue(drawn[i].Name, out double trace))
            {
                series.Points.Add(new ScatterPoint(trace, i));
            }
        }

        return series;
    }
}
