using Curvature.Viz.Figures;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Samples.Study;

/// <summary>Mean training loss over the seeds, against steps or seconds.</summary>
/// <param name="problem">Of the problem.</param>
/// <param name="standings">A line each.</param>
/// <param name="bySeconds">Against seconds, on a logarithmic axis, in the place of steps.</param>
internal sealed class LossFigure(StudyProblem problem, IReadOnlyList<Standing> standings, bool bySeconds) : PlotFigure
{
    public override string Name => $"{problem.Name}-by-{(bySeconds ? "seconds" : "steps")}";

    public override string Title => $"{problem.Title}: training loss by {(bySeconds ? "seconds" : "steps")}";

    public override string Description =>
        $"One falling line an optimizer, from {NumberText.Of(standings[0].Curve[0].Loss, 3)}; at the end, from the lowest to the highest: " +
        string.Join(", ", standings.OrderBy(standing => standing.Final.Value).Select(standing => $"{standing.Name} {NumberText.Of(standing.Final.Value, 2)}")) + ".";

    public override double Width => 640;

    public override double Height => 420;

    public override PlotModel Draw(FigureTheme theme)
    {
        double low = 0.8 * standings.Min(standing => standing.Best), high = 1.1 * standings.Max(standing => standing.Curve[0].Loss);
        PlotModel model = Model(theme);
        var losses = new LogarithmicAxis { Position = AxisPosition.Left, Title = "training loss in nats", Minimum = low, Maximum = high };
        losses.LabelFormatter = LogLabels(low, high);
        model.Axes.Add(Styled(Across(), theme, gridlines: false));
        model.Axes.Add(Styled(losses, theme, gridlines: true));

        // AdamW last: over the others.
        List<Contender> order = [.. KnownContenders.All];
        foreach (Standing standing in standings.OrderBy(standing => standing.Name == "AdamW").ThenBy(standing => order.IndexOf(standing.Contender)))
        {
            model.Series.Add(Line(standing, theme));
        }

        return model;
    }

    private Axis Across()
    {
        if (!bySeconds)
        {
            return new LinearAxis { Position = AxisPosition.Bottom, Title = "steps", Minimum = 0, Maximum = problem.Steps };
        }

        double low = standings.Min(standing => Abscissa(standing, standing.Curve[1].Step)), high = standings.Max(standing => Abscissa(standing, problem.Steps));
        return new LogarithmicAxis { Position = AxisPosition.Bottom, Title = "seconds", Minimum = low, Maximum = high, LabelFormatter = LogLabels(low, high) };
    }

    private LineSeries Line(Standing standing, FigureTheme theme)
    {
        bool isReference = standing.Name == "AdamW";
        int place = KnownContenders.All.Where(other => other.Family == standing.Contender.Family && other.Name != "AdamW").Select(other => other.Name).ToList().IndexOf(standing.Name);
        var line = new LineSeries
        {
            Title = standing.Name,
            Color = isReference ? theme.Ink : Colour(standing.Contender.Family, theme),
            StrokeThickness = isReference ? 2.4 : 1.5,
            LineStyle = isReference ? LineStyle.Solid : ((LineStyle[])[LineStyle.Solid, LineStyle.Dash, LineStyle.Dot])[place % 3],
        };
        line.Points.AddRange(standing.Curve.Skip(bySeconds ? 1 : 0).Select(point => new DataPoint(Abscissa(standing, point.Step), double.IsFinite(point.Loss) ? point.Loss : double.NaN)));
        return line;
    }

    private double Abscissa(Standing standing, double step) => bySeconds ? step * standing.StepSeconds : step;

    /// <summary>Okabe and Ito's, as the theme's; grey for what sees no curvature.</summary>
    private static OxyColor Colour(Family family, FigureTheme theme) => family switch
    {
        Family.FirstOrder => theme.Axis,
        Family.Diagonal => theme.Measured,
        Family.Kronecker => theme.Exact,
        Family.Eigenbasis => OxyColor.FromRgb(0xE6, 0x9F, 0x00),
        Family.RankOne => OxyColor.FromRgb(0x00, 0x9E, 0x73),
        Family.Window => OxyColor.FromRgb(0xCC, 0x79, 0xA7),
        _ => OxyColor.FromRgb(0x56, 0xB4, 0xE9),
    };
}
