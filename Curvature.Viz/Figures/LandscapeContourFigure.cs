using Curvature.Sharpness;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Curvature.Viz.Figures;

/// <summary>
/// The loss over a plane as lines of equal height, blue where it is low and orange where it is high, with the checkpoint at the origin and, where one is given, a run on its way there. Points at which the loss is
/// not finite are gaps.
/// </summary>
/// <param name="surface">The losses.</param>
/// <param name="across">Name of the horizontal direction.</param>
/// <param name="up">Name of the vertical direction.</param>
/// <param name="run">Points of a run in the plane, in order.</param>
/// <param name="scale">Of the loss; null: by its values.</param>
public sealed class LandscapeContourFigure(LandscapeSurface surface, string across, string up, IReadOnlyList<(double X, double Y)>? run = null, FigureScale? scale = null) : PlotFigure
{
    // Labels keep this share of the picture's width between them.
    private const double Apart = 0.11;

    private readonly LandscapeScale _scale = new(surface.Losses.SelectMany(row => row), scale);

    /// <inheritdoc/>
    public override string Name => "landscape";

    /// <inheritdoc/>
    public override string Title => "Loss over a plane";

    /// <inheritdoc/>
    public override double Height => 360;

    /// <inheritdoc/>
    public override FigureScale? Scale => _scale.Drawn;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => _scale.HasBoth ? new LandscapeContourFigure(surface, across, up, run, _scale.Other) : null;

    /// <inheritdoc/>
    public override string Description =>
        $"Lines of equal loss over {NumberText.Of(surface.Across.Count)} by {NumberText.Of(surface.Up.Count)} points, from {NumberText.Of(_scale.Low)} to {NumberText.Of(_scale.High)}" +
        $"{(_scale.IsLogarithmic ? " on a logarithmic scale" : "")}{(surface.Gaps > 0 ? $"; at {NumberText.Of(surface.Gaps, "point")} the loss is not finite" : "")}.";

    /// <inheritdoc/>
    public override PlotModel Draw(FigureTheme theme)
    {
        PlotModel model = Model(theme);
        var horizontal = new LinearAxis { Position = AxisPosition.Bottom, Title = PrintableName.Of(across), Minimum = surface.Across[0], Maximum = surface.Across[^1] };
        var vertical = new LinearAxis { Position = AxisPosition.Left, Title = PrintableName.Of(up), Minimum = surface.Up[0], Maximum = surface.Up[^1] };
        model.Axes.Add(Styled(horizontal, theme, gridlines: false));
        model.Axes.Add(Styled(vertical, theme, gridlines: false));
        List<(double X, double Y)> labels = [(0, 0)];
        IReadOnlyList<IReadOnlyList<double>> heights = [.. surface.Losses.Select(row => (IReadOnlyList<double>)[.. row.Select(_scale.Of)])];
        foreach (double level in _scale.Levels())
        {
            OxyColor colour = theme.Between(_scale.Share(level));
            IReadOnlyList<IReadOnlyList<(double X, double Y)>> lines = IsoLines.Of(surface.Across, surface.Up, heights, _scale.Of(level));
            var series = new LineSeries { Color = colour, StrokeThickness = 1.2, LineStyle = LineStyle.Solid };
            series.Points.AddRange(lines.SelectMany(line => line.Select(p => new DataPoint(p.X, p.Y)).Append(DataPoint.Undefined)));
            model.Series.Add(series);
            if (lines.MaxBy(line => line.Count) is { Count: > 2 } longest && Place(longest, labels) is { } at)
            {
                labels.Add(at);
                model.Annotations.Add(Label(level, at, colour, theme));
            }
        }

        if (run is not null)
        {
            var path = new LineSeries { Color = theme.Ink, StrokeThickness = 1, LineStyle = LineStyle.Solid };
            path.Points.AddRange(run.Select(p => new DataPoint(p.X, p.Y)));
            model.Series.Add(path);
            model.Series.Add(Points("run", theme, theme.Background, 2, run));
        }

        model.Series.Add(Points("checkpoint", theme, theme.Ink, 3.5, [(0, 0)]));
        return model;
    }

    /// <summary>The losses at the points of the grid, thinned to what can be told apart.</summary>
    private protected override IEnumerable<MarkedSeries> Marked(PlotModel model, Axis across, Axis up)
    {
        int[] columns = [.. LandscapeGrid.Kept(surface.Across.Count)], rows = [.. LandscapeGrid.Kept(surface.Up.Count)];
        yield return new MarkedSeries("loss", [.. rows.SelectMany(j => columns.Select(i => new FigureMark(
            across.Transform(surface.Across[i]),
            up.Transform(surface.Up[j]),
            NumberText.Of(surface.Across[i], 3),
            $"{NumberText.Of(surface.Up[j], 3)}, loss {NumberText.Of(surface.Losses[j][i])}")))]);
    }

    private static ScatterSeries Points(string title, FigureTheme theme, OxyColor fill, double size, IEnumerable<(double X, double Y)> points)
    {
        var series = new ScatterSeries { Title = title, MarkerType = MarkerType.Circle, MarkerSize = size, MarkerFill = fill, MarkerStroke = theme.Ink, MarkerStrokeThickness = 1 };
        series.Points.AddRange(points.Select(p => new ScatterPoint(p.X, p.Y)));
        return series;
    }

    private static TextAnnotation Label(double level, (double X, double Y) at, OxyColor colour, FigureTheme theme) => new()
    {
        Text = NumberText.Of(level, 2),
        TextPosition = new DataPoint(at.X, at.Y),
        TextHorizontalAlignment = HorizontalAlignment.Center,
        TextVerticalAlignment = VerticalAlignment.Middle,
        TextColor = colour,
        FontSize = SmallFontSize,
        Background = theme.Background,
        StrokeThickness = 0,
        Padding = new OxyThickness(1),
    };

    /// <summary>A point of the line that is away from all labels and from the edge; null where there is none.</summary>
    private (double X, double Y)? Place(IReadOnlyList<(double X, double Y)> line, List<(double X, double Y)> labels)
    {
        double width = surface.Across[^1] - surface.Across[0], height = surface.Up[^1] - surface.Up[0];
        double Inside((double X, double Y) p) => Math.Min(
            Math.Min(p.X - surface.Across[0], surface.Across[^1] - p.X) / width,
            Math.Min(p.Y - surface.Up[0], surface.Up[^1] - p.Y) / height);
        double Free((double X, double Y) p) => labels.Min(label => Math.Max(Math.Abs(p.X - label.X) / width, 1.6 * Math.Abs(p.Y - label.Y) / height));
        return line.Where(p => Inside(p) > 0.06 && Free(p) > Apart).Select(p => ((double X, double Y)?)p).MaxBy(p => Math.Min(2 * Inside(p!.Value), Free(p.Value)));
    }
}
