using Curvature.Estimators;
using Curvature.Quant.Planning;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The sensitivity of each layer at each width as points with bars of 1.96 standard errors, on a logarithmic scale where all are positive. Of many layers the <see cref="MostLayers"/> most sensitive are drawn.
/// </summary>
/// <param name="table">Layers with sensitivities; those without, because they are fixed, are left out.</param>
/// <param name="scale">Of the sensitivities; null: logarithmic where all are positive.</param>
public sealed class SensitivityFigure(LayerTable table, FigureScale? scale = null) : PlotFigure
{
    /// <summary>Layers that fit a page.</summary>
    public const int MostLayers = 40;

    private const int LongestName = 26;
    private const double Normal = 1.96;

    private static readonly MarkerType[] Markers = [MarkerType.Circle, MarkerType.Square, MarkerType.Diamond];

    private readonly int[] widths = [.. table.Bits.Order()];
    private readonly TableLayer[] drawn = Drawn(table);

    /// <inheritdoc/>
    public override string Name => "sensitivities";

    /// <inheritdoc/>
    public override string Title => drawn.Length == table.Layers.Count ? "Sensitivity by layer" : $"Sensitivity by layer: {drawn.Length} of {table.Layers.Count}";

    /// <inheritdoc/>
    public override FigureScale? Scale => !AllPositive ? null : IsLogarithmic ? FigureScale.Logarithmic : FigureScale.Linear;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => AllPositive ? new SensitivityFigure(table, IsLogarithmic ? FigureScale.Linear : FigureScale.Logarithmic) : null;

    /// <inheritdoc/>
    public override string Description => drawn.Length == 0
        ? "No sensitivity."
        : $"At {widths[0]} bits: " + string.Join(' ', drawn.Where(layer => layer.SensitivityAt(widths[0]) is not null).OrderByDescending(layer => layer.SensitivityAt(widths[0])).Take(3)
            .Select(layer => $"{PrintableName.Of(layer.Name)} {NumberText.Of(layer.SensitivityAt(widths[0])!.Value, 3)}."));

    /// <inheritdoc/>
    public override double Height => 90 + (18 * Math.Max(2, drawn.Length));

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var names = new CategoryAxis
        {
            Position = AxisPosition.Left,
            StartPosition = 1, // the first layer on top
            EndPosition = 0,
            TickStyle = TickStyle.None,
        };
        names.Labels.AddRange(drawn.Select(layer => PrintableName.Of(layer.Name, LongestName)));
        model.Axes.Add(Styled(names, theme, gridlines: false));
        (double low, double high) = Range(Values(), IsLogarithmic);
        Axis across = IsLogarithmic
            ? new LogarithmicAxis { Position = AxisPosition.Bottom, Title = "sensitivity", Minimum = low, Maximum = high, LabelFormatter = LogLabels(low, high) }
            : new LinearAxis { Position = AxisPosition.Bottom, Title = "sensitivity", Minimum = low, Maximum = high };
        model.Axes.Add(Styled(across, theme, gridlines: true));
        for (int w = 0; w < widths.Length; w++)
        {
            model.Series.Add(Points(w, low, theme));
        }

        return model;
    }

    private bool AllPositive => Values() is { Length: > 0 } values && values.All(value => value > 0);

    private bool IsLogarithmic => scale != FigureScale.Linear && AllPositive;

    private double[] Values() => [.. drawn.SelectMany(layer => widths.Select(bits => layer.SensitivityAt(bits)).OfType<double>()).Where(double.IsFinite)];

    private static TableLayer[] Drawn(LayerTable table)
    {
        int lowest = table.Bits.Min();
        TableLayer[] known = [.. table.Layers.Where(layer => table.Bits.Any(bits => layer.SensitivityAt(bits) is not null))];
        HashSet<TableLayer> kept = [.. known.OrderByDescending(layer => Math.Abs(layer.SensitivityAt(lowest) ?? 0)).Take(MostLayers)];
        return [.. known.Where(kept.Contains)];
    }

    private (double Low, double High) Range(double[] values, bool logarithmic)
    {
        if (values.Length == 0)
        {
            return (0, 1);
        }

        double high = drawn.SelectMany(layer => widths.Select(bits => (layer.SensitivityAt(bits) ?? 0) + (Normal * layer.StandardErrorAt(bits)))).Max();
        if (logarithmic)
        {
            return (values.Min() / 2, high * 2);
        }

        double low = drawn.SelectMany(layer => widths.Select(bits => (layer.SensitivityAt(bits) ?? 0) - (Normal * layer.StandardErrorAt(bits)))).Append(0).Min();
        double margin = 0.05 * (high > low ? high - low : 1);
        return (low - margin, high + margin);
    }

    private ScatterErrorSeries Points(int w, double low, FigureTheme theme)
    {
        // Fewer bits are darker; the last of three shapes is for all widths from the third on.
        byte ink = (byte)(255 - (w * 150 / widths.Length));
        var series = new ScatterErrorSeries
        {
            Title = $"{widths[w]} bits",
            MarkerType = Markers[Math.Min(w, Markers.Length - 1)],
            MarkerSize = 3.5,
            MarkerFill = OxyColor.FromAColor(ink, theme.Measured),
            MarkerStroke = OxyColors.Undefined,
            MarkerStrokeThickness = 0,
            ErrorBarColor = theme.Ink,
            ErrorBarStrokeThickness = 1,
            ErrorBarStopWidth = 3,
        };
        for (int row = 0; row < drawn.Length; row++)
        {
            if (drawn[row].SensitivityAt(widths[w]) is { } value)
            {
                // The bar is as long to both sides: on a logarithmic scale it must not reach zero.
                double error = drawn[row].StandardErrorAt(widths[w]), half = Normal * error;
                series.Points.Add(new ScatterErrorPoint(value, row, low > 0 ? 2 * Math.Min(half, value - low) : 2 * half, 0, tag: NumberText.Of(new Estimate(value, error, 0, 0))));
            }
        }

        return series;
    }
}
