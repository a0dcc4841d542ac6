using Curvature.Estimators;
using Curvature.Krylov;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// Eigenvalues, largest magnitude first, with bars of one residual up and down: an exact eigenvalue lies within each bar. Where the spectrum is known, the
/// exact partner of each stands beside it. Of more than 100 the first 100 are drawn: markers cover each other from there on, and a page has each figure four times. Those that did not converge are hollow. On a logarithmic scale their magnitudes are drawn, negative ones as squares.
/// </summary>
/// <param name="eigenvalues">The eigenvalues, in any order.</param>
/// <param name="exact">All exact eigenvalues, where known.</param>
/// <param name="scale">Of the eigenvalues.</param>
public sealed class EigenvalueFigure(IReadOnlyList<Eigenvalue> eigenvalues, IReadOnlyList<double>? exact = null, FigureScale scale = FigureScale.Linear) : PlotFigure
{
    /// <summary>How many are drawn.</summary>
    internal const int MostDrawn = 100;

    private const double Aside = 0.2;
    private const int MostLabels = 12;

    private readonly Eigenvalue[] ranked =
        [.. eigenvalues.Where(eigenvalue => double.IsFinite(eigenvalue.Value)).OrderByDescending(eigenvalue => Math.Abs(eigenvalue.Value))];

    private ArraySegment<Eigenvalue> Shown => new ArraySegment<Eigenvalue>(ranked, 0, Math.Min(MostDrawn, ranked.Length));

    /// <inheritdoc/>
    public override string Name => "eigenvalues";

    /// <inheritdoc/>
    public override string Title => "Eigenvalues";

    /// <inheritdoc/>
    public override FigureScale? Scale => !HasMagnitudes ? null : IsLogarithmic ? FigureScale.Logarithmic : FigureScale.Linear;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => HasMagnitudes ? new EigenvalueFigure(eigenvalues, exact, IsLogarithmic ? FigureScale.Linear : FigureScale.Logarithmic) : null;

    /// <inheritdoc/>
    public override string Description => ranked.Length == 0
        ? "No eigenvalue."
        : $"{NumberText.Of(ranked.Length, "eigenvalue")} from {NumberText.Of(ranked.Max(eigenvalue => eigenvalue.Value))} down to " +
          $"{NumberText.Of(ranked.Min(eigenvalue => eigenvalue.Value))}, " +
          $"{ranked.Count(eigenvalue => eigenvalue.Converged)} of them converged; the largest residual is " +
          $"{NumberText.Of(ranked.Max(eigenvalue => eigenvalue.Residual), 2)}.{(ranked.Length > MostDrawn ? $" Drawn are the {MostDrawn} of the largest magnitude." : "")}";

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var ranks = new LinearAxis
        {
            Position = AxisPosition.Bottom,
            Title = "rank by |λ|",
            Minimum = 0.5,
            Maximum = Math.Max(1, Shown.Count) + 0.5,
            MajorStep = ranked.Length <= MostLabels ? 1 : double.NaN,
        };
        (double low, double high) = Range();
        Axis values = IsLogarithmic ? new LogarithmicAxis { LabelFormatter = LogLabels(low, high) } : new LinearAxis();
        (values.Position, values.Title, values.Minimum, values.Maximum) = (AxisPosition.Left, IsLogarithmic ? "|λ|" : "eigenvalue λ", low, high);
        model.Axes.Add(Styled(ranks, theme, gridlines: false));
        model.Axes.Add(Styled(values, theme, gridlines: true));
        model.Series.Add(Points("eigenvalue ± residual", theme, theme.Measured, low, eigenvalue => eigenvalue.Converged && !(IsLogarithmic && eigenvalue.Value < 0)));
        if (IsLogarithmic && Shown.Any(eigenvalue => eigenvalue.Converged && eigenvalue.Value < 0))
        {
            model.Series.Add(Points("negative", theme, theme.Measured, low, eigenvalue => eigenvalue.Converged && eigenvalue.Value < 0, MarkerType.Square));
        }

        if (Shown.Any(eigenvalue => !eigenvalue.Converged))
        {
            model.Series.Add(Points("not converged", theme, theme.Background, low, eigenvalue => !eigenvalue.Converged));
        }

        if (exact is not null)
        {
            model.Series.Add(Partners(exact, theme));
        }

        return model;
    }

    private bool HasMagnitudes => ranked.Length > 0 && ranked.All(eigenvalue => eigenvalue.Value != 0);

    private bool IsLogarithmic => scale == FigureScale.Logarithmic && HasMagnitudes;

    /// <summary>A value as it is drawn.</summary>
    private double Drawn(double value) => IsLogarithmic ? Math.Abs(value) : value;

    /// <summary>The axis from zero to the ends of all bars and beyond by a margin: eigenvalues are read for signs and ratios.</summary>
    private (double Low, double High) Range()
    {
        const double Margin = 0.05, Ratio = 1.5;
        if (IsLogarithmic)
        {
            return (Math.Abs(Shown[^1].Value) / Ratio, Math.Abs(ranked[0].Value) * Ratio);
        }

        IEnumerable<double> ends = Shown.SelectMany(eigenvalue =>
            (double[])[eigenvalue.Value - eigenvalue.Residual, eigenvalue.Value, eigenvalue.Value + eigenvalue.Residual]);
        double[] finite = [0, .. ends.Where(double.IsFinite)];
        double low = finite.Min(), high = finite.Max(), margin = Margin * (high > low ? high - low : 1);
        return (low < 0 ? low - margin : 0, high > 0 || low == 0 ? high + margin : 0);
    }

    private protected override string AcrossText(double value) => NumberText.Of((long)Math.Round(value));

    private ScatterErrorSeries Points(string title, FigureTheme theme, OxyColor fill, double least, Func<Eigenvalue, bool> where, MarkerType marker = MarkerType.Circle)
    {
        var series = new ScatterErrorSeries
        {
            Title = title,
            MarkerType = marker,
            MarkerSize = 3.5,
            MarkerFill = fill,
            MarkerStroke = theme.Measured,
            MarkerStrokeThickness = 1.2,
            ErrorBarColor = theme.Measured,
            ErrorBarStrokeThickness = 1.2,
            ErrorBarStopWidth = 3,
        };
        double aside = exact is null ? 0 : Aside;
        for (int i = 0; i < Shown.Count; i++)
        {
            if (where(ranked[i]))
            {
                double value = Drawn(ranked[i].Value), half = IsLogarithmic ? Math.Min(ranked[i].Residual, value - least) : ranked[i].Residual;
                series.Points.Add(new ScatterErrorPoint(i + 1 - aside, value, 0, 2 * half, tag: NumberText.Of(new Estimate(value, ranked[i].Residual, 0, 0)))); // a bar's full length
            }
        }

        return series;
    }

    private ScatterSeries Partners(IReadOnlyList<double> all, FigureTheme theme)
    {
        ScatterSeries series = ExactPoints(theme);
        double[] partners = ExactPairing.Of([.. ranked.Select(eigenvalue => eigenvalue.Value)], all);
        series.Points.AddRange(partners.Take(MostDrawn).Select((value, i) => new ScatterPoint(i + 1 + Aside, Drawn(value))));
        return series;
    }
}
