using Curvature.Sharpness;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The loss along one or two lines through a checkpoint, with the quadratic model of slope and curvature dashed beside it where it is known. Losses that are not finite are gaps.
/// </summary>
/// <param name="curves">The lines, at most two, with their names.</param>
/// <param name="position">What the horizontal axis measures.</param>
/// <param name="scale">Of the loss; null: by its values.</param>
public sealed class LandscapeCurveFigure(IReadOnlyList<(string Name, LandscapeCurve Curve)> curves, string position = "position along the direction", FigureScale? scale = null) : PlotFigure
{
    private const int ModelPoints = 81, LongestName = 40;
    private readonly LandscapeScale _scale = new(curves.SelectMany(curve => curve.Curve.Losses), scale);

    /// <inheritdoc/>
    public override string Name => "landscape-curves";

    /// <inheritdoc/>
    public override string Title => "Loss along lines";

    /// <inheritdoc/>
    public override FigureScale? Scale => _scale.Drawn;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => _scale.HasBoth ? new LandscapeCurveFigure(curves, position, _scale.Other) : null;

    /// <inheritdoc/>
    public override string Description => string.Join(" ", curves.Select(curve =>
        $"{PrintableName.Of(curve.Name)}: the loss over positions from {NumberText.Of(curve.Curve.Positions[0])} to {NumberText.Of(curve.Curve.Positions[^1])} lies between " +
        $"{NumberText.Of(Finite(curve.Curve).Min())} and {NumberText.Of(Finite(curve.Curve).Max())}{(curve.Curve.Gaps > 0 ? $", with {NumberText.Of(curve.Curve.Gaps, "gap")}" : "")}."));

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        (double low, double high) = (curves.Min(curve => curve.Curve.Positions[0]), curves.Max(curve => curve.Curve.Positions[^1]));
        var across = new LinearAxis { Position = AxisPosition.Bottom, Title = PrintableName.Of(position), Minimum = low, Maximum = high };
        double bottom = _scale.IsLogarithmic ? _scale.Low / 1.3 : _scale.Low - (0.05 * (_scale.High - _scale.Low));
        double top = _scale.IsLogarithmic ? _scale.High * 1.3 : _scale.High + (0.05 * (_scale.High - _scale.Low));
        Axis up = _scale.IsLogarithmic ? new LogarithmicAxis { LabelFormatter = LogLabels(bottom, top) } : new LinearAxis();
        (up.Position, up.Title, up.Minimum, up.Maximum) = (AxisPosition.Left, "loss", bottom, top);
        model.Axes.Add(Styled(across, theme, gridlines: false));
        model.Axes.Add(Styled(up, theme, gridlines: true));
        foreach ((int i, (string name, LandscapeCurve curve)) in curves.Index())
        {
            OxyColor colour = i == 0 ? theme.Measured : theme.Exact;
            LineSeries line = Line(PrintableName.Of(name, LongestName), colour, LineStyle.Solid);
            line.Points.AddRange(curve.Positions.Zip(curve.Losses, (t, loss) => double.IsFinite(loss) ? new DataPoint(t, loss) : DataPoint.Undefined));
            model.Series.Add(line);
            if (curve.Quadratic is not null)
            {
                LineSeries dashed = Line(i == 0 ? "quadratic model" : null, colour, LineStyle.Dash); // one entry of the legend
                dashed.StrokeThickness = 1;
                dashed.Points.AddRange(Enumerable.Range(0, ModelPoints)
                    .Select(k => low + ((high - low) * k / (ModelPoints - 1)))
                    .Select(t => (t, Loss: curve.Predicted(t)))
                    .Select(p => p.Loss >= bottom && p.Loss <= top ? new DataPoint(p.t, p.Loss) : DataPoint.Undefined));
                model.Series.Add(dashed);
            }
        }

        return model;
    }

    private static LineSeries Line(string? name, OxyColor colour, LineStyle style) => new() { Title = name, Color = colour, LineStyle = style, StrokeThickness = 1.6 };

    private static IEnumerable<double> Finite(LandscapeCurve curve) => curve.Losses.Where(double.IsFinite).DefaultIfEmpty(double.NaN);
}
