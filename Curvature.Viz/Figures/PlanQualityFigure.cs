using Curvature.Viz.Report;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>Measured accuracy (the loss, where the loss knows no accuracy) of plans over their average bits, with floating point as a line; held-out samples where there are any. Losses that are not finite are left out.</summary>
/// <param name="measured">What was measured.</param>
public sealed class PlanQualityFigure(PlanMeasurement measured) : PlotFigure
{
    private readonly bool accuracy = measured.Baseline.Best.Accuracy is not null;

    /// <inheritdoc/>
    public override string Name => "plan-quality";

    /// <inheritdoc/>
    public override string Title => accuracy ? "Measured accuracy" : "Measured loss";

    /// <inheritdoc/>
    public override string Description => string.Join(' ', measured.Plans.Prepend(measured.Baseline).Select(plan => $"{plan.Name}: {NumberText.Of(Value(plan))}{(accuracy ? " %" : "")}."));

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        double[] bits = [.. measured.Plans.Select(plan => plan.Plan!.AverageBits)], values = [.. measured.Plans.Prepend(measured.Baseline).Select(Value).Where(double.IsFinite).DefaultIfEmpty(0)];
        double low = values.Min(), high = values.Max(), margin = 0.1 * (high > low ? high - low : Math.Max(1e-3, Math.Abs(high)));
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = "bits of a weight on average", Minimum = Math.Max(0, bits.Min() - 0.5), Maximum = bits.Max() + 1.2 }, theme, gridlines: false));
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Left, Title = accuracy ? "accuracy, %" : "loss", Minimum = low - margin, Maximum = high + (1.5 * margin) }, theme, gridlines: true));
        if (double.IsFinite(Value(measured.Baseline)))
        {
            model.Annotations.Add(new LineAnnotation { Type = LineAnnotationType.Horizontal, Y = Value(measured.Baseline), Color = theme.Axis, LineStyle = LineStyle.Dot, Layer = AnnotationLayer.BelowSeries });
            model.Annotations.Add(Label("float", Math.Max(0, bits.Min() - 0.5) + 0.1, Value(measured.Baseline), theme));
        }

        model.Series.Add(Points("other plans", theme.Measured, MarkerType.Square, measured.Plans.Skip(1)));
        model.Series.Add(Points("this plan", theme.Exact, MarkerType.Diamond, measured.Plans.Take(1)));
        foreach (PlanQuality plan in measured.Plans.Skip(1).Where(plan => double.IsFinite(Value(plan))))
        {
            model.Annotations.Add(Label(plan.Name, plan.Plan!.AverageBits + 0.1, Value(plan), theme));
        }

        return model;
    }

    private static TextAnnotation Label(string text, double x, double y, FigureTheme theme) => new()
    {
        Text = text,
        TextPosition = new DataPoint(x, y),
        TextHorizontalAlignment = HorizontalAlignment.Left,
        TextVerticalAlignment = VerticalAlignment.Bottom,
        TextColor = theme.Ink,
        FontSize = SmallFontSize,
        StrokeThickness = 0,
        Padding = new OxyThickness(2),
    };

    private ScatterSeries Points(string title, OxyColor color, MarkerType marker, IEnumerable<PlanQuality> plans)
    {
        var series = new ScatterSeries { Title = title, MarkerType = marker, MarkerSize = marker == MarkerType.Diamond ? 5 : 3.5, MarkerFill = color, MarkerStrokeThickness = 0 };
        series.Points.AddRange(plans.Where(plan => double.IsFinite(Value(plan))).Select(plan => new ScatterPoint(plan.Plan!.AverageBits, Value(plan))));
        return series;
    }

    private double Value(PlanQuality plan) => accuracy ? 100 * plan.Best.Accuracy!.Value : plan.Best.Loss;
}
