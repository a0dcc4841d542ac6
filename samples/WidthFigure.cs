using Curvature.Viz.Figures;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Samples;

/// <summary>Learning rate times lambda_max over training, a curve for each width, the wider the darker; dashed where gradient descent becomes unstable.</summary>
/// <param name="kind">How the networks were parametrised.</param>
/// <param name="curves">By width, a value every so many steps.</param>
/// <param name="every">Steps between two values.</param>
internal sealed class WidthFigure(Parametrisation kind, IReadOnlyDictionary<int, double[]> curves, int every) : PlotFigure
{
    private const double Unstable = 2;

    /// <inheritdoc/>
    public override string Name => $"width-{kind.ToString().ToLowerInvariant()}";

    /// <inheritdoc/>
    public override string Title => $"Sharpness against width, {(kind == Parametrisation.MuP ? "muP" : "standard parametrisation")}";

    /// <inheritdoc/>
    public override string Description => $"Learning rate times the largest eigenvalue over {NumberText.Of((long)every * (curves.Values.First().Length - 1))} steps: " + string.Join(", ", curves.Select(curve =>
        $"width {curve.Key} from {NumberText.Of(curve.Value[0], 2)} to {NumberText.Of(curve.Value[^1], 2)}")) + ".";

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        int last = every * (curves.Values.First().Length - 1);
        double top = 1.1 * Math.Max(Unstable, curves.Values.SelectMany(curve => curve).Where(double.IsFinite).Max());
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = "step", Minimum = 0, Maximum = last }, theme, gridlines: false));
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Left, Title = "rate × λ_{max}", Minimum = 0, Maximum = top }, theme, gridlines: true));
        foreach ((int i, (int width, double[] curve)) in curves.OrderBy(curve => curve.Key).Index())
        {
            var line = new LineSeries { Title = $"width {width}", Color = OxyColor.FromAColor((byte)(255 * (i + 1) / curves.Count), theme.Measured), StrokeThickness = 1.6, LineStyle = LineStyle.Solid };
            line.Points.AddRange(curve.Select((value, k) => new DataPoint(k * every, value)));
            model.Series.Add(line);
        }

        var limit = new LineSeries { Title = "unstable", Color = theme.Exact, StrokeThickness = 1, LineStyle = LineStyle.Dash };
        limit.Points.AddRange([new DataPoint(0, Unstable), new DataPoint(last, Unstable)]);
        model.Series.Add(limit);
        return model;
    }
}
