using Curvature.Quant.Planning;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The objective of the best plan at each cost as stairs, on a logarithmic scale where it is positive: at most <see cref="MostPoints"/> points of the frontier, the plans of one width throughout, the chosen plan,
/// and the limit.
/// </summary>
/// <param name="frontier">The frontier.</param>
/// <param name="plan">The chosen plan.</param>
/// <param name="others">Plans to compare with, by name.</param>
/// <param name="limit">What the cost may be at most, in the unit of <see cref="PlanCost"/>; null: not drawn.</param>
/// <param name="scale">Of the objective; null: logarithmic where it is positive.</param>
public sealed class ParetoFigure(ParetoFrontier frontier, BitPlan plan, IReadOnlyList<(string Name, BitPlan Plan)> others, double? limit = null, FigureScale? scale = null) : PlotFigure
{
    /// <summary>Points that are drawn.</summary>
    public const int MostPoints = 400;

    private readonly (double Scale, string Unit) unit = UnitOf(frontier);

    private readonly bool positive = frontier.Objectives.Append(plan.Objective).All(objective => objective > 0);

    private readonly bool logarithmic = scale != FigureScale.Linear && frontier.Objectives.Append(plan.Objective).All(objective => objective > 0);

    /// <inheritdoc/>
    public override string Name => "pareto";

    /// <inheritdoc/>
    public override string Title => "Pareto frontier";

    /// <inheritdoc/>
    public override FigureScale? Scale => !positive ? null : logarithmic ? FigureScale.Logarithmic : FigureScale.Linear;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => positive ? new ParetoFigure(frontier, plan, others, limit, logarithmic ? FigureScale.Linear : FigureScale.Logarithmic) : null;

    /// <inheritdoc/>
    public override string Description =>
        $"{NumberText.Of(frontier.Count, "plan")} from {NumberText.Of(frontier.Costs[0] / unit.Scale)} to {NumberText.Of(frontier.Costs[^1] / unit.Scale)} {unit.Unit}, " +
        $"objectives from {NumberText.Of(frontier.Objectives[0], 3)} down to {NumberText.Of(frontier.Objectives[^1], 3)}. " +
        $"The chosen plan has {NumberText.Of(plan.Cost(frontier.CostKind)!.Value / unit.Scale)} {unit.Unit} and {NumberText.Of(plan.Objective, 3)}.";

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        (string Name, double Cost, double Objective)[] marked = [.. others
            .Where(other => other.Plan.Cost(frontier.CostKind) is not null && (!logarithmic || other.Plan.Objective > 0))
            .Select(other => (other.Name, other.Plan.Cost(frontier.CostKind)!.Value / unit.Scale, other.Plan.Objective))];
        double[] costs = [.. frontier.Costs.Select(cost => cost / unit.Scale), .. marked.Select(point => point.Cost), plan.Cost(frontier.CostKind)!.Value / unit.Scale];
        double margin = 0.05 * (costs.Max() > costs.Min() ? costs.Max() - costs.Min() : Math.Max(1, costs.Max()));
        model.Axes.Add(Styled(new LinearAxis { Position = AxisPosition.Bottom, Title = $"{CostName(frontier.CostKind)}, {unit.Unit}", Minimum = Math.Max(0, costs.Min() - margin), Maximum = costs.Max() + (2 * margin) }, theme, gridlines: false));
        model.Axes.Add(Styled(Up([.. frontier.Objectives, .. marked.Select(point => point.Objective), plan.Objective]), theme, gridlines: true));

        if (limit is { } most && most / unit.Scale <= costs.Max() + margin)
        {
            model.Annotations.Add(new LineAnnotation { Type = LineAnnotationType.Vertical, X = most / unit.Scale, Color = theme.Axis, LineStyle = LineStyle.Dot, Layer = AnnotationLayer.BelowSeries });
        }

        var line = new LineSeries { Title = "best plans", Color = theme.Measured, StrokeThickness = 1.6, LineStyle = LineStyle.Solid };
        line.Points.AddRange(Steps());
        model.Series.Add(line);
        if (frontier.Count == 1)
        {
            model.Series.Add(Points("best plan", theme.Measured, theme.Measured, MarkerType.Circle, [(frontier.Costs[0] / unit.Scale, frontier.Objectives[0])]));
        }

        model.Series.Add(Points("other plans", theme.Background, theme.Ink, MarkerType.Square, [.. marked.Select(point => (point.Cost, point.Objective))]));
        model.Series.Add(Points("this plan", theme.Exact, theme.Exact, MarkerType.Diamond, [(plan.Cost(frontier.CostKind)!.Value / unit.Scale, plan.Objective)]));
        foreach ((string name, double cost, double objective) in marked.Where(point => char.IsAsciiDigit(point.Name[0]))) // other searches lie too near for labels
        {
            model.Annotations.Add(new TextAnnotation
            {
                Text = name,
                TextPosition = new DataPoint(cost + (0.3 * margin), objective),
                TextHorizontalAlignment = HorizontalAlignment.Left,
                TextVerticalAlignment = VerticalAlignment.Bottom,
                TextColor = theme.Ink,
                FontSize = SmallFontSize,
                StrokeThickness = 0,
                Padding = new OxyThickness(1),
            });
        }

        return model;
    }

    /// <summary>What a cost is called.</summary>
    internal static string CostName(PlanCost cost) => cost switch
    {
        PlanCost.Size => "size of the weights",
        PlanCost.Bops => "bit operations",
        PlanCost.Latency => "latency",
        _ => "multiply-accumulates times bits",
    };

    private static (double Scale, string Unit) UnitOf(ParetoFrontier frontier)
    {
        double most = frontier.Costs[^1];
        return frontier.CostKind switch
        {
            PlanCost.Size => most >= 8e6 ? (8e6, "MB") : most >= 8e3 ? (8e3, "kB") : (8, "bytes"),
            PlanCost.Latency => (1, "ms"),
            _ => most >= 1e9 ? (1e9, "10⁹") : most >= 1e6 ? (1e6, "10⁶") : (1, "of one sample"),
        };
    }

    private static ScatterSeries Points(string title, OxyColor fill, OxyColor stroke, MarkerType marker, IEnumerable<(double X, double Y)> points)
    {
        var series = new ScatterSeries { Title = title, MarkerType = marker, MarkerSize = marker == MarkerType.Diamond ? 5 : 3.5, MarkerFill = fill, MarkerStroke = stroke, MarkerStrokeThickness = 1.2 };
        series.Points.AddRange(points.Select(point => new ScatterPoint(point.X, point.Y)));
        return series;
    }

    /// <summary>The frontier as stairs: between two of its plans the cheaper one is the best there is.</summary>
    private IEnumerable<DataPoint> Steps()
    {
        double? above = null;
        foreach (int i in frontier.Sample(MostPoints))
        {
            double cost = frontier.Costs[i] / unit.Scale;
            if (above is { } objective)
            {
                yield return new DataPoint(cost, objective);
            }

            above = frontier.Objectives[i];
            yield return new DataPoint(cost, above.Value);
        }
    }

    private Axis Up(double[] objectives)
    {
        double low = objectives.Min(), high = objectives.Max();
        if (logarithmic)
        {
            return new LogarithmicAxis { Position = AxisPosition.Left, Title = "objective", Minimum = low / 1.5, Maximum = high * 1.8, LabelFormatter = LogLabels(low / 1.5, high * 1.8) };
        }

        double margin = 0.06 * (high > low ? high - low : 1);
        return new LinearAxis { Position = AxisPosition.Left, Title = "objective", Minimum = low - margin, Maximum = high + (2 * margin) };
    }
}
