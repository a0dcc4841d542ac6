using Curvature.Krylov;
using Curvature.Viz.Figures;
using OxyPlot.Series;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class EigenvalueFigureTests
{
    [Fact]
    public void Draws_a_circle_and_a_bar_for_each_and_a_diamond_for_each_exact_partner()
    {
        Svg svg = new(new EigenvalueFigure(Samples.Summary.Eigenvalues, Samples.Spectrum).ToSvg(FigureTheme.Paper));
        Assert.Equal(4 + 2, svg.Circles); // converged and not converged in the legend
        Assert.Equal(4 + 1, svg.Polygons.Count(polygon => polygon.Length == 4));
        Assert.Contains("not converged", svg.Texts);
        Assert.Contains("rank by |λ|", svg.Texts);
    }

    [Fact]
    public void Makes_bars_of_one_residual_up_and_down()
    {
        Svg svg = new(new EigenvalueFigure([new(6, 1, true), new(10, 0, true)]).ToSvg(FigureTheme.Paper));
        IEnumerable<(double X, double Y)[]> upright = svg.Lines.Where(line => line.Length == 2 && line[0].X == line[1].X);
        (double X, double Y)[] bar = upright.Single(line => Math.Abs(line[0].Y - line[1].Y) is > 10 and < 100);
        double unit = (Height(svg, "0") - Height(svg, "10")) / 10;
        Assert.Equal(2, Math.Abs(bar[0].Y - bar[1].Y) / unit, 1);
    }

    [Fact]
    public void Stands_in_the_order_of_the_list_largest_magnitude_first()
    {
        var figure = new EigenvalueFigure([new(-3, 0, true), new(10, 0, true), new(2, 0, true), new(6, 0, true)]);
        Assert.Equal([10.0, 6, -3, 2], figure.Draw(FigureTheme.Paper).Series.OfType<ScatterErrorSeries>().Single().Points.Select(point => point.Y));
    }

    [Fact]
    public void Says_in_words_what_is_to_be_seen() => Assert.Equal(
        "4 eigenvalues from 9.000 down to −0.9000, 3 of them converged; the largest residual is 0.25.",
        new EigenvalueFigure(Samples.Summary.Eigenvalues).Description);

    [Fact]
    public void Of_very_many_draws_those_of_the_largest_magnitude_and_says_so()
    {
        var figure = new EigenvalueFigure([.. Enumerable.Range(1, 1000).Select(i => new Eigenvalue(i % 2 == 0 ? i : -i, 0, true))]);
        ScatterErrorSeries series = figure.Draw(FigureTheme.Paper).Series.OfType<ScatterErrorSeries>().Single();
        Assert.Equal((100, 1000.0, -901.0), (series.Points.Count, series.Points[0].Y, series.Points[^1].Y));
        Assert.EndsWith("Drawn are the 100 of the largest magnitude.", figure.Description, StringComparison.Ordinal);
        Assert.Equal(100, figure.OnOtherScale!.Marks().Series.Sum(marked => marked.Marks.Count));
    }

    [Fact]
    public void Pointing_shows_the_value_with_its_residual() =>
        Assert.Equal(["6.0\u00A0±\u00A01.0", "−3.00\u00A0±\u00A00.20"], new EigenvalueFigure([new(-3, 0.2, true), new(6, 1, true)]).Marks().Series.Single().Marks.Select(mark => mark.Up));

    private static double Height(Svg svg, string label)
    {
        var text = svg.Root.Descendants().Last(element => element.Name.LocalName == "text" && element.Value == label);
        string place = text.Attribute("y")?.Value ?? text.Attribute("transform")!.Value.Split(',', ')')[1];
        return double.Parse(place, System.Globalization.CultureInfo.InvariantCulture);
    }
}
