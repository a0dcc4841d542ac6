using Curvature.Viz.Figures;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

/// <summary>What holds for every figure of a plan.</summary>
public class KnownPlanFiguresTests
{
    public static TheoryData<string> Names => [.. KnownPlanFigures.All.Select(kind => kind.Name)];

    [Fact]
    public void Of_a_table_alone_there_is_no_measured_accuracy()
    {
        Assert.Equal(KnownPlanFigures.All.Select(kind => kind.Name), KnownPlanFigures.Of(PlanSamples.Report).Select(figure => figure.Name));
        Assert.Equal(["bits", "pareto", "sensitivities"], KnownPlanFigures.Of(PlanSamples.OfTable).Select(figure => figure.Name));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_well_formed_in_both_themes_and_the_same_bytes_under_a_decimal_comma(string name)
    {
        Figure figure = KnownPlanFigures.Of(PlanSamples.Report).Single(f => f.Name == name);
        string paper = figure.ToSvg(FigureTheme.Paper), description = figure.Description;
        Assert.NotEqual(paper, figure.ToSvg(FigureTheme.Dark));
        Assert.NotEmpty(new Svg(paper).Texts);
        Assert.NotEmpty(figure.Title);
        Assert.Equal(420, figure.Width);
        using var culture = new DecimalComma();
        Figure again = KnownPlanFigures.Of(PlanSamples.Report).Single(f => f.Name == name);
        Assert.Equal((paper, description), (again.ToSvg(FigureTheme.Paper), again.Description));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Survives_hostile_names_and_numbers_below_zero(string name)
    {
        string hostile = KnownPlanFigures.Of(PlanSamples.Named(Samples.Hostile)).Single(f => f.Name == name).ToSvg(FigureTheme.Paper);
        Assert.DoesNotContain("<script", hostile, StringComparison.Ordinal);
        Assert.NotEmpty(new Svg(hostile).Texts);
        Assert.NotEmpty(new Svg(KnownPlanFigures.Of(PlanSamples.Negative).Single(f => f.Name == name).ToSvg(FigureTheme.Paper)).Texts);
    }

    [Fact]
    public void Bars_and_points_are_as_many_as_there_is_to_show()
    {
        Svg bits = new(new BitsFigure(PlanSamples.Report.Problem.Table, PlanSamples.Report.Plan).ToSvg(FigureTheme.Paper));
        Assert.Equal(["conv1", "conv2", "fc1", "fc2"], bits.Texts.Where(text => text.StartsWith('c') || text.StartsWith('f')));
        Svg pareto = new(KnownPlanFigures.Of(PlanSamples.Report).Single(f => f.Name == "pareto").ToSvg(FigureTheme.Paper));
        Assert.Contains("2 bits", pareto.Texts);
        Assert.Contains("this plan", pareto.Texts);
        Assert.StartsWith("6 plans from", new ParetoFigure(PlanSamples.Report.Frontier, PlanSamples.Report.Plan, []).Description, StringComparison.Ordinal);
    }
}
