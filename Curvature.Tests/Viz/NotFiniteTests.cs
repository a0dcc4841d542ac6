using System.Xml;
using System.Xml.Linq;
using Curvature.Estimators;
using Curvature.Quant.Networks;
using Curvature.Sharpness;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz;

/// <summary>One number that is not finite among good ones, at each place where there can be one: every figure is still drawn, the page is whole, and a finding says so.</summary>
public class NotFiniteTests
{
    private static readonly SharpnessSummary Little = new() { Parameters = 40 };

    private static readonly (string Place, Func<double, SharpnessSummary> Summary)[] Places =
    [
        ("loss", bad => Little with { Loss = bad }),
        ("gradient norm", bad => Little with { GradientNorm = bad }),
        ("trace", bad => Little with { Trace = Samples.Trace with { Total = new(bad, 1, 16, 16) } }),
        ("layer's trace", bad => Little with { Trace = Layer(new(bad, 0.5, 16, 16)) }),
        ("layer's error", bad => Little with { Trace = Layer(new(4.5, bad, 16, 16)) }),
        ("eigenvalue", bad => Little with { Density = Samples.Density, Eigenvalues = [new(bad, 1e-5, true), new(5.5, 2e-5, true), new(-0.9, 1e-5, true)] }),
        ("residual", bad => Little with { Density = Samples.Density, Eigenvalues = [new(9, bad, false), new(5.5, 2e-5, true)] }),
        ("exact eigenvalue", bad => Little with { Density = Samples.Density, Eigenvalues = Samples.Summary.Eigenvalues, ExactEigenvalues = [bad, .. Samples.Spectrum.Skip(1)] }),
        ("exact layer", bad => Little with { Trace = Samples.Trace, ExactLayerTraces = new Dictionary<string, double> { ["conv"] = bad, ["hidden"] = 22, ["output"] = 1 } }),
        ("node", bad => Little with { Eigenvalues = Samples.Summary.Eigenvalues, Density = new(40, [new([-0.9, bad, 9], [0.1, 0.4, 0.5]), Samples.Density.Runs[0]], 0.15, 24) }),
        ("weight", bad => Little with { Eigenvalues = Samples.Summary.Eigenvalues, Density = new(40, [new([-0.9, 1, 9], [0.1, bad, 0.5]), Samples.Density.Runs[0]], 0.15, 24) }),
        ("kernel width", bad => Little with { Eigenvalues = Samples.Summary.Eigenvalues, Density = new(40, Samples.Density.Runs, bad, 24) }),
        ("batch's largest", bad => Little with { BatchSizes = Batch(new(bad, 1, 6, 6), new(-1, 1, 6, 6)) }),
        ("batch's error", bad => Little with { BatchSizes = Batch(new(10, bad, 6, 6), new(-1, bad, 6, 6)) }),
        ("batch's smallest", bad => Little with { BatchSizes = Batch(new(10, 1, 6, 6), new(bad, 1, 6, 6)) }),
        ("full batch", bad => Little with { BatchSizes = Samples.BatchSizes with { Largest = new(bad, 1e-3, true) } }),
        ("noise", bad => Little with { BatchSizes = Samples.BatchSizes with { Noise = new(new(bad, 6, 8, 8), new(bad, 20, 8, 8), new(bad, 9, 8, 8)) } }),
        ("sharpness", bad => Little with { Stability = Samples.Stability with { Sharpness = new(bad, 1e-5, true) } }),
        ("batch sharpness", bad => Little with { Stability = Samples.Stability with { BatchSharpness = new(new(bad, 0.5, 30, 30), new(bad, 0.5, 30, 30)) } }),
        ("loss on a line", bad => Little with { Landscape = Slices(bad, 1) }),
        ("curvature on a line", bad => Little with { Landscape = Slices(1, bad) }),
        ("loss on a plane", bad => Little with { Landscape = Samples.Landscape with { Surface = new([-1, 0, 1], [-1, 0, 1], [[1, bad, 1], [0.5, 0.1, 0.5], [1, 0.7, 1]]) } }),
    ];

    public static TheoryData<string, double> Cases => Of(Places.Select(place => place.Place));

    public static TheoryData<string, double> PlanCases => Of(["plan's loss", "plan's held-out loss", "floating point", "prediction", "order"]);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Breaks_no_figure_of_a_report_and_becomes_a_finding(string place, double bad)
    {
        SharpnessSummary summary = Places.Single(known => known.Place == place).Summary(bad);
        Draw(KnownFigures.Of(summary));
        SharpnessReport report = Samples.Report with { Summary = summary, Findings = KnownFindings.Examine(summary) };
        ReportContent content = SharpnessContent.Of(report);
        Whole(HtmlReport.Write(content));
        string json = SharpnessJson.Write(report);
        Assert.DoesNotContain("NaN", json.Replace("\"NaN", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("\"non-finite\"", json, StringComparison.Ordinal);
        Assert.Contains(content.Findings, finding => finding.Id == "non-finite");
    }

    [Theory]
    [MemberData(nameof(PlanCases))]
    public void Breaks_no_figure_of_a_plan(string place, double bad)
    {
        PlanMeasurement good = PlanSamples.Report.Measured!;
        PlanQuality Bad(PlanQuality quality, bool test) => test ? quality with { Test = new(bad, 0.1) } : quality with { Data = new(bad, 0.1), Test = null };
        PlanMeasurement measured = place switch
        {
            "plan's loss" => good with { Plans = [.. good.Plans.Select((plan, i) => i == 1 ? Bad(plan, test: false) : plan with { Test = null })] },
            "plan's held-out loss" => good with { Plans = [.. good.Plans.Select(plan => plan with { Test = new NetworkQuality(plan.Plan!.AverageBits < 3 ? bad : 0.5, null) })], Baseline = good.Baseline with { Test = new(0.4, null) } },
            "floating point" => good with { Baseline = new("float", null, new(bad, null), null), Plans = [.. good.Plans.Select(plan => plan with { Data = new(bad, null), Test = null })] },
            "prediction" => good with { Predicted = bad },
            _ => good with { FineTuning = [("conv1", bad), ("fc1", 1)] },
        };
        PlanReport report = PlanSamples.Report with { Measured = measured };
        Draw(KnownPlanFigures.Of(report));
        Whole(HtmlReport.Write(PlanContent.Of(report)));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void Is_a_gap_in_a_curve(double bad)
    {
        foreach (bool logarithmic in (bool[])[false, true])
        {
            Draw([
                new CurvesFigure("a", "a", "y", [new("one", [(0, 1), (1, bad), (2, 3), (3, 2)])], logarithmic),
                new CurvesFigure("b", "b", "y", [new("one", [(0, bad), (1, bad)])], logarithmic),
                new CurvesFigure("c", "c", "y", [new("one", [(bad, 1), (1, 2)])], logarithmic),
                new CurvesFigure("d", "d", "y", [new("one", [.. Enumerable.Range(0, 1000).Select(i => ((double)i, i == 500 ? bad : 1 + i))])], logarithmic),
            ]);
        }
    }

    private static TheoryData<string, double> Of(IEnumerable<string> places)
    {
        TheoryData<string, double> cases = [];
        foreach (string place in places)
        {
            cases.Add(place, double.NaN);
            cases.Add(place, double.PositiveInfinity);
            cases.Add(place, double.NegativeInfinity);
        }

        return cases;
    }

    private static void Draw(IReadOnlyList<Figure> figures)
    {
        foreach (Figure figure in figures.Concat(figures.Select(figure => figure.OnOtherScale).OfType<Figure>()))
        {
            Assert.NotEmpty(new Svg(figure.ToSvg(FigureTheme.Paper)).Texts);
            Assert.NotEmpty(figure.Description);
            Assert.All(figure.Marks().Series.SelectMany(series => series.Marks), mark => Assert.True(double.IsFinite(mark.X + mark.Y)));
        }
    }

    private static void Whole(string page)
    {
        using var reader = XmlReader.Create(new StringReader(page), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        Assert.Single(XElement.Load(reader).Elements("body"));
        Assert.DoesNotContain("NaN", page[..page.IndexOf("<script>", StringComparison.Ordinal)], StringComparison.Ordinal);
    }

    private static TraceEstimate Layer(Estimate first) => Samples.Trace with { Layers = [new LayerTrace("conv", 10, first), .. Samples.Trace.Layers.Skip(1)] };

    private static BatchSizeMeasurement Batch(Estimate largest, Estimate smallest) => Samples.BatchSizes with { Measured = [new(2, largest, smallest), .. Samples.BatchSizes.Measured] };

    private static LandscapeSummary Slices(double loss, double curvature) => Samples.Landscape with
    {
        Curves = [("direction 1", new LandscapeCurve([-1, 0, 1], [2, 0.1, loss]) { Quadratic = (0.1, 0, curvature) }), Samples.Landscape.Curves[1]],
    };
}
