using Curvature.Sharpness;
using Curvature.Viz.Figures;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class LandscapeFigureTests
{
    private static readonly double[] Grid = [.. Enumerable.Range(0, 21).Select(i => -1 + (i / 10.0))];

    [Fact]
    public void Lines_of_equal_height_of_a_bowl_are_closed_circles()
    {
        IReadOnlyList<(double X, double Y)> line = Assert.Single(IsoLines.Of(Grid, Grid, Heights((x, y) => (x * x) + (y * y)), 0.5));
        Assert.Equal(line[0], line[^1]);
        Assert.InRange(line.Count, 40, 80);
        Assert.All(line, p => Assert.Equal(Math.Sqrt(0.5), Math.Sqrt((p.X * p.X) + (p.Y * p.Y)), 0.005)); // interpolation: h^2 / 8
        Assert.True(line.Zip(line.Skip(1)).All(step => Math.Abs(step.First.X - step.Second.X) + Math.Abs(step.First.Y - step.Second.Y) < 0.21));
    }

    [Fact]
    public void Saddles_do_not_cross_and_gaps_break_lines()
    {
        IReadOnlyList<IReadOnlyList<(double X, double Y)>> saddle = IsoLines.Of(Grid, Grid, Heights((x, y) => x * y), 0.02);
        Assert.Equal(2, saddle.Count);
        Assert.All(saddle.SelectMany(line => line), p => Assert.Equal(0.02, p.X * p.Y, 0.003));
        double[] two = [0, 1];
        Assert.Equal([2, 2], IsoLines.Of(two, two, [[1, 0], [0, 1]], 0.4).Select(line => line.Count)); // the middle, 0.5, joins the ones: the lines go round the zeros
        Assert.Contains(IsoLines.Of(two, two, [[1, 0], [0, 1]], 0.4), line => line.All(p => p.X > p.Y));
        Assert.Contains(IsoLines.Of(two, two, [[1, 0], [0, 1]], 0.6), line => line.All(p => p.X + p.Y < 1));
        IReadOnlyList<IReadOnlyList<(double X, double Y)>> broken = IsoLines.Of(Grid, Grid, Heights((x, y) => x > 0.55 && y > 0 ? double.NaN : (x * x) + (y * y)), 0.5);
        Assert.NotEqual(broken[0][0], broken[0][^1]);
        Assert.All(broken.SelectMany(line => line), p => Assert.True(p.X <= 0.56 || p.Y <= 0.1));
        Assert.Empty(IsoLines.Of(Grid, Grid, Heights((_, _) => double.NaN), 0.5));
    }

    [Theory]
    [InlineData(0.1, 0.9, false)]
    [InlineData(0.001, 40, true)]
    [InlineData(-3, 1e6, false)]
    [InlineData(1e-9, 1e12, true)]
    [InlineData(2, 2, false)]
    public void Heights_are_few_and_round_and_lie_inside(double low, double high, bool logarithmic)
    {
        LandscapeScale scale = new([low, high, double.NaN]);
        IReadOnlyList<double> levels = scale.Levels();
        Assert.Equal(logarithmic, scale.IsLogarithmic);
        Assert.InRange(levels.Count, 2, 10);
        Assert.All(levels, level => Assert.InRange(level, scale.Low, scale.High));
        Assert.Equal(levels.Order(), levels);
        Assert.All(levels, level => Assert.InRange(scale.Share(level), 0, 1));
    }

    [Fact]
    public void The_contour_shows_levels_checkpoint_and_run()
    {
        LandscapeSurface surface = new(Grid, Grid, Heights((x, y) => x > 0.85 ? double.NaN : 0.1 + (x * x) + (2 * y * y)));
        LandscapeContourFigure figure = new(surface, "direction 1", "direction 2", [(0.7, 0.5), (0.3, -0.2), (0, 0)]);
        Svg svg = new(figure.ToSvg(FigureTheme.Paper));
        Assert.Contains("direction 1", svg.Texts);
        Assert.Contains("0.50", svg.Texts);
        Assert.Equal(3 + 1 + 2, svg.Circles); // the run, the checkpoint, the legend
        Assert.Equal("Lines of equal loss over 21 by 21 points, from 0.1000 to 3.100 on a logarithmic scale; at 42 points the loss is not finite.", figure.Description);
        _ = new Svg(new LandscapeContourFigure(new(Grid, Grid, Heights((_, _) => double.NaN)), "a", "b").ToSvg(FigureTheme.Dark));
    }

    [Fact]
    public void The_curves_break_at_gaps()
    {
        LandscapeCurve curve = new(Grid, [.. Grid.Select(t => Math.Abs(t) < 0.25 ? double.NaN : 1 + (t * t))]);
        LandscapeCurveFigure figure = new([("direction 1", curve)]);
        Svg svg = new(figure.ToSvg(FigureTheme.Paper));
        Assert.Equal(2, svg.Lines.Count(line => line.Length == 8)); // eight of ten points on either side
        Assert.Contains("with 5 gaps", figure.Description, StringComparison.Ordinal);
        _ = new Svg(new LandscapeCurveFigure([("nothing", new([0, 1], [double.NaN, double.NaN]))]).ToSvg(FigureTheme.Paper));
    }

    private static IReadOnlyList<IReadOnlyList<double>> Heights(Func<double, double, double> height) => [.. Grid.Select(y => (IReadOnlyList<double>)[.. Grid.Select(x => height(x, y))])];
}
