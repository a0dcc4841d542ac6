using Curvature.Quant.Planning;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>Bits of each layer as bars in the order of the model; fixed ones are pale. Of many layers the <see cref="MostLayers"/> with the most weights are drawn.</summary>
/// <param name="table">The layers.</param>
/// <param name="plan">Their bits.</param>
public sealed class BitsFigure(LayerTable table, BitPlan plan) : PlotFigure
{
    /// <summary>Layers that fit a page.</summary>
    public const int MostLayers = 60;

    private const int LongestName = 26;

    private readonly int[] drawn = [.. Enumerable.Range(0, table.Layers.Count).OrderByDescending(i => table.Layers[i].Parameters).Take(MostLayers).Order()];

    /// <inheritdoc/>
    public override string Name => "bits";

    /// <inheritdoc/>
    public override string Title => drawn.Length == table.Layers.Count ? "Bits by layer" : $"Bits by layer: the {drawn.Length} largest of {table.Layers.Count}";

    /// <inheritdoc/>
    public override string Description => string.Join(' ', plan.Bits.Distinct().OrderDescending().Select(bits =>
        $"{NumberText.Of(plan.Bits.Count(b => b == bits), "layer")} at {bits} bits."));

    /// <inheritdoc/>
    public override double Height => 64 + (18 * Math.Max(2, drawn.Length));

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var names = new CategoryAxis
        {
            Position = AxisPosition.Left,
            StartPosition = 1, // the first layer on top
            EndPosition = 0,
            GapWidth = 0.5,
            TickStyle = TickStyle.None,
        };
        names.Labels.AddRange(drawn.Select(i => PrintableName.Of(table.Layers[i].Name, LongestName)));
        model.Axes.Add(Styled(names, theme, gridlines: false));
        int most = plan.Bits.Max();
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = "bits of a weight", Minimum = 0, Maximum = most + 0.3, MajorStep = most > 8 ? 8 : 1 }, theme, gridlines: true));
        var bars = new BarSeries { FillColor = OxyColor.FromAColor(170, theme.Measured) };
        bars.Items.AddRange(drawn.Select((i, row) => new BarItem(plan.Bits[i], row) { Color = OxyColor.FromAColor((byte)(table.Layers[i].Fixed is null ? 170 : 70), theme.Measured) }));
        model.Series.Add(bars);
        return model;
    }
}
