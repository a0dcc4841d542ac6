using Curvature.Quant.Sensitivity;
using Curvature.Viz.Figures;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Samples.Quantization;

/// <summary>
/// The increase of the loss that sensitivities predict for one layer at 2, 3 and 4 bits against the one measured over the test images, a point a layer, width and seed.
/// </summary>
internal sealed class PredictionFigure(NetworkReport report) : PlotFigure
{
    private static readonly (string Method, double Factor)[] Predictions = [.. ((string[])["hessian", "quadratic", "kfac"]).Select(name => (name, KnownSensitivities.Create(name).IncreaseFactor!.Value))];

    private const double Least = 1e-4;

    public override string Name => $"quantization-{report.Network.Name}-prediction";

    public override string Title => $"{report.Network.Title}: predicted against measured increase of the loss, one layer quantized";

    public override string Description
    {
        get
        {
            (double Measured, double Predicted)[] points = Pairs("quadratic", 1);
            int within = points.Count(point => point.Predicted > 0.5 * point.Measured && point.Predicted < 2 * point.Measured);
            return $"{points.Length} points a sensitivity with an increase above {NumberText.Of(Least)}; of the quadratic form, {within} lie within a factor of 2 of the measured increase.";
        }
    }

    public override double Width => 560;

    public override double Height => 420;

    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        double[] all = [.. Predictions.SelectMany(prediction => Pairs(prediction.Method, prediction.Factor)).SelectMany(point => (double[])[point.Measured, point.Predicted])];
        (double low, double high) = (0.7 * all.Min(), 1.4 * all.Max());
        model.Axes.Add(Styled(new LogarithmicAxis { Position = AxisPosition.Bottom, Title = "measured increase of the test loss, nats", Minimum = low, Maximum = high, LabelFormatter = LogLabels(low, high) }, theme, gridlines: true));
        model.Axes.Add(Styled(new LogarithmicAxis { Position = AxisPosition.Left, Title = "predicted increase, nats", Minimum = low, Maximum = high, LabelFormatter = LogLabels(low, high) }, theme, gridlines: true));
        var equal = new LineSeries { Title = "equal", Color = theme.Axis, StrokeThickness = 1, LineStyle = LineStyle.Dash };
        equal.Points.AddRange([new DataPoint(low, low), new DataPoint(high, high)]);
        model.Series.Add(equal);
        (MarkerType, OxyColor)[] looks = [(MarkerType.Circle, theme.Measured), (MarkerType.Diamond, theme.Exact), (MarkerType.Square, OxyColor.FromRgb(0x00, 0x9E, 0x73))];
        foreach (((string method, double factor), (MarkerType marker, OxyColor colour)) in Predictions.Zip(looks))
        {
            var series = new ScatterSeries { Title = method, MarkerType = marker, MarkerSize = 3, MarkerFill = OxyColor.FromAColor(170, colour), MarkerStrokeThickness = 0 };
            series.Points.AddRange(Pairs(method, factor).Select(point => new ScatterPoint(point.Measured, point.Predicted)));
            model.Series.Add(series);
        }

        return model;
    }

    /// <summary>Where both are above what a logarithmic axis has room for.</summary>
    private (double Measured, double Predicted)[] Pairs(string method, double factor)
    {
        WeightGrid grid = WeightGrid.All[0];
        return
        [
            .. report.Layers(grid, method).Zip(report.Layers(grid, PlanRuns.Test)).SelectMany(pair => PlanRuns.TestBits.SelectMany(bits =>
                pair.Second.At(bits).Zip(pair.First.At(bits), (measured, predicted) => (measured, factor * predicted)))).Where(point => point.measured > Least && point.Item2 > Least),
        ];
    }
}
