using Curvature.Estimators;
using Curvature.Viz.Figures;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Samples.Quantization;

/// <summary>What each method's plans lose against floating point, at the size of 4 and of 3 bits.</summary>
internal sealed class AccuracyFigure(NetworkReport report) : PlotFigure
{
    private static readonly PlanKind Four = new(WeightGrid.All[0].Name, EndsAt8: false, AverageBits: 4), Three = Four with { AverageBits = 3 };

    public override string Name => $"quantization-{report.Network.Name}-accuracy";

    public override string Title => $"{report.Network.Title}: test accuracy against floating point, by plan";

    public override string Description => string.Join(' ', ((PlanKind[])[Four, Three]).Select(kind =>
        $"At the size of {kind.AverageBits} bits, in points: {string.Join(", ", NetworkReport.Methods.Select(method => $"{method} {NetworkReport.Points(Loss(kind, method))}"))}."));

    public override double Width => 640;

    public override double Height => 90 + (28 * NetworkReport.Methods.Count);

    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var names = new CategoryAxis { Position = AxisPosition.Left, StartPosition = 1, EndPosition = 0, TickStyle = TickStyle.None };
        names.Labels.AddRange(NetworkReport.Methods);
        model.Axes.Add(Styled(names, theme, gridlines: false));
        double[] ends = [.. NetworkReport.Methods.SelectMany(method => (Estimate[])[Loss(Four, method), Loss(Three, method)]).SelectMany(loss => (double[])[100 * (loss.Value - loss.StandardError), 100 * (loss.Value + loss.StandardError)])];
        double low = Math.Min(0, ends.Min()), high = Math.Max(0, ends.Max()), margin = 0.03 * (high - low);
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = "test accuracy less that in floating point, points", Minimum = low - margin, Maximum = high + margin }, theme, gridlines: true));
        model.Annotations.Add(new LineAnnotation { Type = LineAnnotationType.Vertical, X = 0, Color = theme.Axis, LineStyle = LineStyle.Solid, Layer = AnnotationLayer.BelowSeries });
        model.Series.Add(Points(Four, "4 bits", MarkerType.Circle, theme.Measured, -0.14));
        model.Series.Add(Points(Three, "3 bits, ± a standard error over the seeds", MarkerType.Diamond, theme.Exact, 0.14));
        return model;
    }

    private ScatterErrorSeries Points(PlanKind kind, string title, MarkerType marker, OxyColor colour, double aside)
    {
        var series = new ScatterErrorSeries { Title = title, MarkerType = marker, MarkerSize = 4, MarkerFill = colour, MarkerStrokeThickness = 0, ErrorBarColor = colour, ErrorBarStrokeThickness = 1.2, ErrorBarStopWidth = 3 };
        series.Points.AddRange(NetworkReport.Methods.Select((method, place) =>
        {
            Estimate loss = Loss(kind, method);
            return new ScatterErrorPoint(100 * loss.Value, place + aside, double.IsFinite(loss.StandardError) ? 200 * loss.StandardError : 0, 0);
        }));
        return series;
    }

    private Estimate Loss(PlanKind kind, string method) => report.Gain(kind, method, PlanKind.Float, PlanRuns.Float);
}
