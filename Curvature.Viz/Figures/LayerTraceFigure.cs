using Curvature.Estimators;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The trace of each layer's block as a bar with its 95 % interval, in the order of the model, beside the exact trace where known. Of many
/// layers the <see cref="MostLayers"/> with the largest traces are drawn.
/// </summary>
/// <param name="layers">Traces by layer.</param>
/// <param name="exact">Exact traces by layer name, where known.</param>
public sealed class LayerTraceFigure(IReadOnlyList<LayerTrace> layers, IReadOnlyDictionary<string, double>? exact = null) : Figure
{
    /// <summary>Layers that fit a page.</summary>
    public const int MostLayers = 30;

    private const int LongestName = 26;

    private readonly LayerTrace[] drawn = layers.Count <= MostLayers ? [.. layers] : Largest(layers);

    /// <inheritdoc/>
    public override string Name => "layer-traces";

    /// <inheritdoc/>
    public override string Title =>
        drawn.Length == layers.Count ? "Trace by layer" : $"Trace by layer: the {drawn.Length} largest of {layers.Count}";

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
        var traces = new LinearAxis { Position = AxisPosition.Bottom, Title = "trace", Minimum = low, Maximum = high };
        model.Axes.Add(Styled(traces, theme, gridlines: true));

        var bars = new BarSeries { Title = "estimate, 95 % interval", FillColor = OxyColor.FromAColor(150, theme.Measured) };
        bars.Items.AddRange(drawn.Select((layer, i) => new BarItem(layer.Trace.Value, i)));
        model.Series.Add(bars);
        model.Series.Add(Intervals(theme));
        if (exact is not null)
        {
            model.Series.Add(Exact(exact, theme));
        }

        return model;
    }

    private static LayerTrace[] Largest(IReadOnlyList<LayerTrace> layers)
    {
        HashSet<LayerTrace> kept = [.. layers.OrderByDescending(layer => Math.Abs(layer.Trace.Value)).Take(MostLayers)];
        return [.. layers.Where(kept.Contains)];
    }

    /// <summary>The axis from zero to the ends of all intervals and beyond by a margin.</summary>
    private (double Low, double High) Range()
    {
        const double Margin = 0.04;
        IEnumerable<double> ends = drawn.SelectMany(layer =>
        {
            (double low, double high) = layer.Trace.ConfidenceInterval();
            return (double[])[layer.Trace.Value, low, high, exact?.GetValueOrDefault(layer.Name) ?? 0];
        });
        double[] finite = [0, .. ends.Where(double.IsFinite)];
        double low = finite.Min(), high = finite.Max(), margin = Margin * (high > low ? high - low : 1);
        return (low < 0 ? low - margin : 0, high + margin);
    }

    private ScatterErrorSeries Intervals(FigureTheme theme)
    {
        var series = new ScatterErrorSeries
        {
            MarkerType = MarkerType.None,
            ErrorBarColor = theme.Ink,
            ErrorBarStrokeThickness = 1.2,
            ErrorBarStopWidth = 3.5,
        };
        for (int i = 0; i < drawn.Length; i++)
        {
            (double low, double high) = drawn[i].Trace.ConfidenceInterval();
            series.Points.Add(new ScatterErrorPoint(drawn[i].Trace.Value, i, double.IsFinite(high - low) ? high - low : 0, 0));
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
