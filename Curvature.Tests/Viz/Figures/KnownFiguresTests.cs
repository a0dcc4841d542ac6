using Curvature.Sharpness;
using Curvature.Viz.Figures;
using OxyPlot;
using Xunit;
using Xunit.Abstractions;

namespace Curvature.Tests.Viz.Figures;

/// <summary>What holds for every figure of the catalogue.</summary>
public class KnownFiguresTests(ITestOutputHelper output)
{
    public static TheoryData<string> Names => [.. KnownFigures.All.Select(kind => kind.Name)];

    [Fact]
    public void Lists_every_figure_of_the_assembly_once()
    {
        IEnumerable<Type> there = typeof(Figure).Assembly.GetTypes()
            .Where(type => !type.IsAbstract && type.IsAssignableTo(typeof(Figure)) && type != typeof(CurvesFigure)); // of a training, not of a checkpoint
        IEnumerable<Type> listed = KnownFigures.Of(Samples.Summary).Concat(KnownPlanFigures.Of(PlanSamples.Report)).Select(figure => figure.GetType());
        Assert.Equal(there.OrderBy(type => type.Name), listed.OrderBy(type => type.Name));
        Assert.Equal(KnownFigures.All.Select(kind => kind.Name), KnownFigures.Of(Samples.Summary).Select(figure => figure.Name));
    }

    [Fact]
    public void Draws_nothing_of_nothing() => Assert.Empty(KnownFigures.Of(new SharpnessSummary { Parameters = 1 }));

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_well_formed_in_both_themes_and_fits_a_column(string name)
    {
        Figure figure = Of(name, Samples.Summary);
        foreach (FigureTheme theme in (FigureTheme[])[FigureTheme.Paper, FigureTheme.Dark])
        {
            string svg = figure.ToSvg(theme);
            Assert.NotEmpty(new Svg(svg).Texts);
            Assert.InRange(svg.Length, 1000, 100_000);
        }

        Assert.Equal(420, figure.Width);
        Assert.NotEqual(figure.ToSvg(FigureTheme.Paper), figure.ToSvg(FigureTheme.Dark));
        Assert.NotEmpty(figure.Title);
        Assert.NotEmpty(figure.Description);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_the_same_bytes_at_each_call_and_under_a_decimal_comma(string name)
    {
        string expected = Of(name, Samples.Summary).ToSvg(FigureTheme.Paper);
        string description = Of(name, Samples.Summary).Description;
        using var culture = new DecimalComma();
        Assert.Equal(expected, Of(name, Samples.Summary).ToSvg(FigureTheme.Paper));
        Assert.Equal(description, Of(name, Samples.Summary).Description);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_another_scale_whose_other_is_the_first(string name)
    {
        Figure figure = Of(name, Samples.Summary), other = figure.OnOtherScale!;
        Assert.Equal(((FigureScale?[])[FigureScale.Linear, FigureScale.Logarithmic]).Order(), ((FigureScale?[])[figure.Scale, other.Scale]).Order());
        Assert.NotEqual(figure.ToSvg(FigureTheme.Paper), other.ToSvg(FigureTheme.Paper));
        Assert.Equal(figure.ToSvg(FigureTheme.Paper), other.OnOtherScale!.ToSvg(FigureTheme.Paper));
        Assert.Equal((figure.Name, figure.Width, figure.Height), (other.Name, other.Width, other.Height));
        Assert.NotEmpty(new Svg(other.ToSvg(FigureTheme.Dark)).Texts);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_to_point_at_lie_in_the_picture_and_read_the_same_under_a_decimal_comma(string name)
    {
        foreach (Figure figure in (Figure[])[Of(name, Samples.Summary), Of(name, Samples.Summary).OnOtherScale!])
        {
            FigureMarks marks = figure.Marks();
            Assert.All(marks.Series.SelectMany(series => series.Marks), mark =>
            {
                Assert.InRange(mark.X, 0, figure.Width);
                Assert.InRange(mark.Y, 0, figure.Height);
                Assert.NotEmpty(mark.Across);
            });
            Assert.NotEmpty(marks.Series);
            using var culture = new DecimalComma();
            Assert.Equal(Text(marks), Text(figure.Marks()));
        }

        static string Text(FigureMarks marks) => marks.Across + marks.Up + string.Join('|', marks.Series.SelectMany(series => series.Marks.Prepend(new FigureMark(0, 0, series.Title, ""))));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Survives_hostile_names(string name)
    {
        string svg = Of(name, Samples.Named(Samples.Hostile).Summary).ToSvg(FigureTheme.Paper);
        Assert.DoesNotContain("<script", svg, StringComparison.Ordinal);
        Assert.NotEmpty(new Svg(svg).Texts);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Survives_numbers_that_are_not_finite(string name)
    {
        Figure figure = Of(name, Samples.NotFinite);
        foreach (Figure drawn in ((Figure?[])[figure, figure.OnOtherScale]).OfType<Figure>())
        {
            Assert.NotEmpty(new Svg(drawn.ToSvg(FigureTheme.Paper)).Texts);
            Assert.NotEmpty(drawn.Description);
            Assert.All(drawn.Marks().Series.SelectMany(series => series.Marks), mark => Assert.True(double.IsFinite(mark.X + mark.Y)));
        }
    }

    [Theory]
    [InlineData(1e-30)]
    [InlineData(1e30)]
    public void Shows_the_same_shapes_at_every_scale(double scale)
    {
        Svg plain = Eigenvalues(1), scaled = Eigenvalues(scale);
        Assert.Equal(plain.Circles, scaled.Circles);
        Assert.Equal(plain.Lines.Count, scaled.Lines.Count);

        static Svg Eigenvalues(double factor) =>
            new(new EigenvalueFigure([new(8 * factor, factor, true), new(-4 * factor, factor, true)]).ToSvg(FigureTheme.Paper));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Looks_as_approved(string name)
    {
        if (typeof(PlotModel).Assembly.GetName().Name != "Curvature.Compat.OxyPlot")
        {
            output.WriteLine("Skipped: the approved picture is the stand-in's, and this run draws with another OxyPlot.");
            return;
        }

        Approved.Matches(Of(name, Samples.Summary).ToSvg(FigureTheme.Paper), $"Curvature.Tests/Viz/Approved/{name}.svg");
    }

    private static Figure Of(string name, SharpnessSummary summary) => KnownFigures.All.Single(kind => kind.Name == name).Of(summary)!;
}
