using Curvature.Estimators;
using Curvature.Viz.Figures;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Series;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class SpectralDensityFigureTests
{
    [Fact]
    public void Marks_the_eigenvalues_found_and_names_the_extreme_ones()
    {
        Svg svg = new(new SpectralDensityFigure(Samples.Density, Samples.Summary.Eigenvalues).ToSvg(FigureTheme.Paper));
        Assert.Equal(4 + 1, svg.Circles); // one more in the legend
        string all = string.Concat(svg.Texts);
        Assert.Contains("λmax = 9.000", all, StringComparison.Ordinal);
        Assert.Contains("λmin = −0.9000", all, StringComparison.Ordinal);
        Assert.Contains("density", svg.Texts);
        Assert.Contains("eigenvalue λ", svg.Texts);
    }

    [Fact]
    public void Names_no_end_of_the_spectrum_that_was_not_found()
    {
        string smallest = string.Concat(new Svg(new SpectralDensityFigure(Samples.Density, [new(-0.9, 1e-6, true), new(-0.2, 1e-6, true)]).ToSvg(FigureTheme.Paper)).Texts);
        Assert.DoesNotContain("λmax", smallest, StringComparison.Ordinal);
        Assert.Contains("λmin = −0.9000", smallest, StringComparison.Ordinal);
        string largest = string.Concat(new Svg(new SpectralDensityFigure(Samples.Density, [new(9, 1e-6, true), new(-0.5, 1e-6, true)]).ToSvg(FigureTheme.Paper)).Texts);
        Assert.DoesNotContain("λmin", largest, StringComparison.Ordinal);
        Assert.Contains("λmax = 9.000", largest, StringComparison.Ordinal);
    }

    [Fact]
    public void Puts_labels_above_the_curve_and_nothing_behind_them()
    {
        var figure = new SpectralDensityFigure(Samples.Density, Samples.Summary.Eigenvalues);
        TextAnnotation[] labels = [.. figure.Draw(FigureTheme.Paper).Annotations.OfType<TextAnnotation>()];
        Assert.Equal(2, labels.Length);
        AreaSeries band = figure.Draw(FigureTheme.Paper).Series.OfType<AreaSeries>().Single(series => series.Title == "95 % interval");
        double least = labels.Single(label => label.Text!.StartsWith("λ_{min}", StringComparison.Ordinal)).TextPosition.X;
        double highest = band.Points.Where(point => point.X >= least && point.X <= least + 1).Max(point => point.Y);
        Assert.All(labels, label => Assert.Equal(OxyColors.Undefined, label.Background));
        Assert.True(labels.Single(label => label.TextPosition.X == least).TextPosition.Y > highest);
    }

    [Fact]
    public void Adds_one_tick_for_each_exact_eigenvalue_that_can_be_told_apart()
    {
        int without = new Svg(new SpectralDensityFigure(Samples.Density, []).ToSvg(FigureTheme.Paper)).Lines.Count;
        int with = new Svg(new SpectralDensityFigure(Samples.Density, [], Samples.Spectrum).ToSvg(FigureTheme.Paper)).Lines.Count;
        Assert.Equal(Samples.Spectrum.Length + 1, with - without); // and the sample in the legend

        double[] crowd = [.. Enumerable.Range(0, 100_000).Select(i => i / 100_000.0)];
        Assert.InRange(new SpectralDensityFigure(Samples.Density, [], crowd).ToSvg(FigureTheme.Paper).Length, 1000, 150_000);
    }

    [Fact]
    public void Draws_no_interval_of_a_single_run()
    {
        var single = new SpectralDensity(40, [Samples.Density.Runs[0]], 0.15, 8);
        Assert.DoesNotContain("95 % interval", new Svg(new SpectralDensityFigure(single, []).ToSvg(FigureTheme.Paper)).Texts);
        Assert.Contains("95 % interval", new Svg(new SpectralDensityFigure(Samples.Density, []).ToSvg(FigureTheme.Paper)).Texts);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void Draws_a_spectrum_of_one_eigenvalue(double eigenvalue)
    {
        var density = new SpectralDensity(5, [new QuadratureRule([eigenvalue], [1]), new QuadratureRule([eigenvalue], [1])], 0, 2);
        Assert.NotEmpty(new Svg(new SpectralDensityFigure(density, [new(eigenvalue, 0, true)]).ToSvg(FigureTheme.Paper)).Polygons);
    }

    [Fact]
    public void Says_in_words_what_is_to_be_seen() => Assert.Equal(
        "Density of the 40 eigenvalues on a logarithmic scale from −0.9000 to 9.000, by 3 runs of stochastic Lanczos quadrature and " +
        "24 products, smoothed by a Gaussian of width 0.15. Those found one by one run from −0.9000 to 9.000.",
        new SpectralDensityFigure(Samples.Density, Samples.Summary.Eigenvalues).Description);
}
