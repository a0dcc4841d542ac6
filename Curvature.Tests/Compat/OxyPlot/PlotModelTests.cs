using System.Globalization;
using Curvature.Tests.Viz;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;
using Xunit;

namespace Curvature.Tests.Compat;

/// <summary>What the figures rely on, of OxyPlot and of the stand-in alike.</summary>
public class PlotModelTests
{
    [Theory]
    [InlineData(0, 10, "0", "2", "10")]
    [InlineData(-0.3, 0.3, "-0.2", "0", "0.2")]
    [InlineData(0, 1e-6, "0", "2E-07", "1E-06")]
    [InlineData(1e6, 1.0001e6, "1e+06", "1.0001e+06")]
    public void Labels_a_linear_axis_at_round_numbers(double low, double high, params string[] expected)
    {
        Svg svg = Draw(Plot(new LinearAxis { Position = AxisPosition.Bottom, Minimum = low, Maximum = high }));
        Assert.Subset(svg.Texts.Select(Number).ToHashSet(), expected.Select(Number).ToHashSet());
    }

    [Fact]
    public void Labels_a_logarithmic_axis_at_powers_of_ten()
    {
        PlotModel model = new() { Culture = CultureInfo.InvariantCulture };
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom });
        var axis = new LogarithmicAxis { Position = AxisPosition.Left, Minimum = 5e-4, Maximum = 2e1 };
        axis.LabelFormatter = value => $"10^{{{Math.Log10(value):F0}}}";
        model.Axes.Add(axis);
        string all = string.Concat(Draw(model).Texts);
        Assert.Contains("10-3", all, StringComparison.Ordinal);
        Assert.Contains("101", all, StringComparison.Ordinal);
    }

    [Fact]
    public void Reverses_a_category_axis_that_starts_at_the_top()
    {
        PlotModel model = new() { Culture = CultureInfo.InvariantCulture };
        var names = new CategoryAxis { Position = AxisPosition.Left, StartPosition = 1, EndPosition = 0 };
        names.Labels.AddRange(["first", "second"]);
        model.Axes.Add(names);
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Bottom });
        var bars = new BarSeries();
        bars.Items.AddRange([new BarItem(2, 0), new BarItem(-1, 1)]);
        model.Series.Add(bars);
        string[] order = [.. Draw(model).Texts.Where(text => text is "first" or "second")];
        Assert.Equal(["first", "second"], order);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Breaks_a_line_at_a_point_that_is_not_finite(double hole)
    {
        PlotModel model = Plot(new LinearAxis { Position = AxisPosition.Bottom, Minimum = 0, Maximum = 4 });
        var line = new LineSeries { Color = OxyColors.Black };
        line.Points.AddRange([new(0, 1), new(1, 1), new(2, hole), new(3, 1), new(4, 1)]);
        model.Series.Add(line);
        IEnumerable<(double X, double Y)[]> level = Draw(model).Lines.Where(points => points.Length == 2 && points[0].Y == points[1].Y);
        Assert.True(level.Count(points => Math.Abs(points[1].X - points[0].X) > 50) >= 2);
    }

    [Fact]
    public void Lists_titled_series_in_the_legend()
    {
        PlotModel model = Plot(new LinearAxis { Position = AxisPosition.Bottom });
        model.Legends.Add(new Legend { LegendPlacement = LegendPlacement.Outside, LegendPosition = LegendPosition.TopLeft });
        model.Series.Add(new LineSeries { Title = "named & <kept>" });
        model.Series.Add(new LineSeries());
        Assert.Contains("named & <kept>", Draw(model).Texts);
    }

    [Fact]
    public void Draws_annotations_and_writes_numbers_in_the_models_culture()
    {
        using var culture = new DecimalComma();
        PlotModel model = Plot(new LinearAxis { Position = AxisPosition.Bottom, Minimum = -1.5, Maximum = 1.5, MajorStep = 0.5 });
        model.Annotations.Add(new LineAnnotation { Type = LineAnnotationType.Vertical, X = 0 });
        model.Annotations.Add(new TextAnnotation { Text = "here", TextPosition = new DataPoint(0.5, 50) });
        Svg svg = Draw(model);
        Assert.Contains("here", svg.Texts);
        Assert.Contains("-1.5", svg.Texts);
        Assert.DoesNotContain(svg.Texts, text => text.Contains(','));
    }

    [Fact]
    public void Keeps_the_error_that_replaced_the_picture()
    {
        PlotModel model = Plot(new LinearAxis { Position = AxisPosition.Bottom });
        model.Annotations.Add(new TextAnnotation { Text = null! });
        Draw(model);
        Assert.NotNull(model.GetLastPlotException());
    }

    [Fact]
    public void Refuses_an_element_of_another_model()
    {
        var axis = new LinearAxis();
        new PlotModel().Axes.Add(axis);
        Assert.Throws<InvalidOperationException>(() => new PlotModel().Axes.Add(axis));
    }

    private static PlotModel Plot(Axis horizontal)
    {
        PlotModel model = new() { Culture = CultureInfo.InvariantCulture };
        model.Axes.Add(horizontal);
        model.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Minimum = 0, Maximum = 100 });
        return model;
    }

    private static Svg Draw(PlotModel model)
    {
        var exporter = new SvgExporter { Width = 400, Height = 300, IsDocument = false, UseVerticalTextAlignmentWorkaround = true };
        return new(exporter.ExportToString(model));
    }

    private static double Number(string text) => double.TryParse(text, CultureInfo.InvariantCulture, out double value) ? value : double.NaN;
}
