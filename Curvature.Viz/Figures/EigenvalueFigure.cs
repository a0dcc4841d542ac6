using Curvature.Krylov;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// Eigenvalues, largest magnitude first, with bars of one residual up and down: an exact eigenvalue lies within each bar. Where the spectrum is known, the
/// exact partner of each stands beside it. Those that did not converge are hollow.
/// </summary>
/// <param name="eigenvalues">The eigenvalues, in any order.</param>
/// <param name="exact">All exact eigenvalues, where known.</param>
public sealed class EigenvalueFigure(IReadOnlyList<Eigenvalue> eigenvalues, IReadOnlyList<double>? exact = null) : Figure
{
    private const double Aside = 0.2;
    private const int MostLabels = 12;

    private readonly Eigenvalue[] ranked =
        [.. eigenvalues.Where(eigenvalue => double.IsFinite(eigenvalue.Value)).OrderByDescending(eigenvalue => Math.Abs(eigenvalue.Value))];

    /// <inheritdoc/>
    public override string Name => "eigenvalues";

    /// <inheritdoc/>
    public override string Title => "Eigenvalues";

    /// <inheritdoc/>
    public override string Description => ranked.Length == 0
        ? "No eigenvalue."
        : $"{NumberText.Of(ranked.Length, "eigenvalue")} from {NumberText.Of(ranked.Max(eigenvalue => eigenvalue.Value))} down to " +
          $"{NumberText.Of(ranked.Min(eigenvalue => eigenvalue.Value))}, " +
          $"{ranked.Count(eigenvalue => eigenvalue.Converged)} of them converged; the largest residual is " +
          $"{NumberText.Of(ranked.Max(eigenvalue => eigenvalue.Residual), 2)}.";

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var ranks = new LinearAxis
        {
            Position = AxisPosition.Bottom,
            Title = "rank by |λ|",
            Minimum = 0.5,
            Maximum = Math.Max(1, ranked.Length) + 0.5,
            MajorStep = ranked.Length <= MostLabels ? 1 : double.NaN,
        };
        (double low, double high) = Range();
        var values = new LinearAxis { Position = AxisPosition.Left, Title = "eigenvalue λ", Minimum = low, Maximum = high };
        model.Axes.Add(Styled(ranks, theme, gridlines: false));
        model.Axes.Add(Styled(values, theme, gridlines: true));
        model.Series.Add(Points("eigenvalue ± residual", theme, theme.Measured, eigenvalue => eigenvalue.Converged));
        if (ranked.Any(eigenvalue => !eigenvalue.Converged))
        {
            model.Series.Add(Points("not converged", theme, theme.Background, eigenvalue => !eigenvalue.Converged));
        }

        if (exact is not null)
        {
            model.Series.Add(Partners(exact, theme));
        }

        return model;
    }

    /// <summary>The axis from zero to the ends of all bars and beyond by a margin: eigenvalues are read for signs and ratios.</summary>
    private (double Low, double High) Range()
    {
        const double Margin = 0.05;
        IEnumerable<double> ends = ranked.SelectMany(eigenvalue =>
            (double[])[eigenvalue.Value - eigenvalue.Residual, eigenvalue.Value, eigenvalue.Value + eigenvalue.Residual]);
        double[] finite = [0, .. ends.Where(double.IsFinite)];
        double low = finite.Min(), high = finite.Max(), margin = Margin * (high > low ? high - low : 1);
        return (low < 0 ? low - margin : 0, high > 0 || low == 0 ? high + margin : 0);
    }

    private ScatterErrorSeries Points(string title, FigureTheme theme, OxyColor fill, Func<Eigenvalue, bool> where)
    {
        var series = new ScatterErrorSeries
        {
            Title = title,
            MarkerType = MarkerType.Circle,
            MarkerSize = 3.5,
            MarkerFill = fill,
            MarkerStroke = theme.Measured,
            MarkerStrokeThickness = 1.2,
            ErrorBarColor = theme.Measured,
            ErrorBarStrokeThickness = 1.2,
            ErrorBarStopWidth = 3,
        };
        double aside = exact is null ? 0 : Aside;
        for (int i = 0; i < ranked.Length; i++)
        {
            if (where(ranked[i]))
            {
                series.Points.Add(new ScatterErrorPoint(i + 1 - aside, ranked[i].Value, 0, 2 * ranked[i].Residual)); // a bar's full length
            }
        }

        return series;
    }

    private ScatterSeries Partners(IReadOnlyList<double> all, FigureTheme theme)
    {
        ScatterSeries series = ExactPoints(theme);
        double[] partners = ExactPairing.Of([.. ranked.Select(eigenvalue => eigenvalue.Value)], all);
        series.Points.AddRange(partners.Select((value, i) => new ScatterPoint(i + 1 + Aside, value)));
        return series;
    }
}
