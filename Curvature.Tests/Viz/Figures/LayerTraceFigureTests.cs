using Curvature.Estimators;
using Curvature.Viz.Figures;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class LayerTraceFigureTests
{
    [Fact]
    public void Draws_a_bar_for_each_layer_in_the_order_of_the_model()
    {
        Svg svg = new(new LayerTraceFigure(Samples.Trace.Layers, Samples.Summary.ExactLayerTraces).ToSvg(FigureTheme.Paper));
        Assert.Equal(["conv", "hidden", "output"], svg.Texts.Where(text => text is "conv" or "hidden" or "output"));
        Assert.True(svg.Rectangles >= 3);
        Assert.Equal(3 + 1, svg.Polygons.Count(polygon => polygon.Length == 4)); // diamonds, one of them in the legend
    }

    [Fact]
    public void Draws_the_largest_of_many_layers_and_says_so()
    {
        LayerTrace Layer(int i) => new($"layer{i}", 1, new Estimate(i % 50 == 0 ? -1000 : i, 1, 4, 4));
        LayerTrace[] layers = [.. Enumerable.Range(0, 100).Select(Layer)];
        var figure = new LayerTraceFigure(layers);
        Svg svg = new(figure.ToSvg(FigureTheme.Paper));
        Assert.Equal("Trace by layer: the 30 largest of 100", figure.Title);
        Assert.Contains("layer0", svg.Texts);
        Assert.DoesNotContain("layer1", svg.Texts);
        Assert.Equal(30, svg.Texts.Count(text => text.StartsWith("layer", StringComparison.Ordinal)));
        Assert.InRange(figure.Height, 600, 800);
    }

    [Fact]
    public void Shortens_long_names_in_the_middle()
    {
        string name = $"encoder.{new string('x', 300)}.weight";
        Svg svg = new(new LayerTraceFigure([new LayerTrace(name, 1, Estimate.Exact(1, 1))]).ToSvg(FigureTheme.Paper));
        Assert.Contains(svg.Texts, text => System.Text.RegularExpressions.Regex.IsMatch(text, @"^encoder\.x*…x*\.weight$"));
    }

    [Fact]
    public void Pointing_shows_the_trace_with_its_standard_error_on_both_scales()
    {
        var figure = new LayerTraceFigure([new("a", 1, new Estimate(21.5, 1.1, 4, 4)), new("b", 1, Estimate.Exact(2, 4))]);
        foreach (Figure drawn in (Figure[])[figure, figure.OnOtherScale!])
        {
            Assert.Equal([("21.5\u00A0±\u00A01.1", "a"), ("2.000", "b")], drawn.Marks().Series.Single().Marks.Select(mark => (mark.Across, mark.Up)));
        }
    }

    [Fact]
    public void Keeps_intervals_within_the_axis()
    {
        LayerTrace[] layers = [new("a", 1, new Estimate(1, 5, 4, 4)), new("b", 1, Estimate.Exact(2, 4))];
        Svg svg = new(new LayerTraceFigure(layers).ToSvg(FigureTheme.Paper));
        Assert.All(svg.Lines.SelectMany(line => line), point => Assert.InRange(point.X, 0, 420));
    }

    [Fact]
    public void Says_in_words_what_is_to_be_seen() => Assert.Equal(
        "3 bars, one for each layer. hidden: 21.5 ± 1.1. conv: 4.50 ± 0.50. output: 1.50 ± 0.25.",
        new LayerTraceFigure(Samples.Trace.Layers).Description.Replace('\u00A0', ' '));
}
