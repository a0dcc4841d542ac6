using Curvature.Estimators;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Tests.Viz;

/// <summary>Made-up measurements of a matrix of size 40 with a known spectrum: a flat bulk, three negative eigenvalues, three large ones.</summary>
internal static class Samples
{
    /// <summary>Names that attack XML, HTML and the layout.</summary>
    public const string Hostile = "</svg><script>alert('x')</script> & \"q\" \u0001 \uD800 ]]> {0} ^{";

    public static double[] Spectrum { get; } =
    [
        -0.9, -0.4, -0.2, .. Enumerable.Range(0, 34).Select(i => 0.02 * i), 3, 5.5, 9,
    ];

    public static SpectralDensity Density { get; } = new(40, [Run(0.9), Run(1), Run(1.15)], 0.15, 24);

    public static TraceEstimate Trace { get; } = new(
        new Estimate(27.5, 1.25, 16, 16),
        [
            new LayerTrace("conv", 10, new Estimate(4.5, 0.5, 16, 16)),
            new LayerTrace("hidden", 25, new Estimate(21.5, 1.125, 16, 16)),
            new LayerTrace("output", 5, new Estimate(1.5, 0.25, 16, 16)),
        ]);

    public static StabilitySummary Stability { get; } = new()
    {
        Setting = OptimizerSetting.Of("sgd", 0.3, 0.5, 32),
        Sharpness = new(9, 1e-5, true),
        Trace = new(27.5, 1.25, 16, 16),
        Noise = new(new(120, 6, 8, 8), new(300, 20, 8, 8), new(80, 9, 8, 8)),
        BatchSharpness = new(new(11, 0.5, 30, 30), new(12, 0.5, 30, 30)),
        Samples = 1000,
        Parameters = 40,
    };

    public static BatchSizeMeasurement BatchSizes { get; } = new(
        1000,
        40,
        new(9, 1e-3, true),
        new(-0.9, 1e-3, true),
        Stability.Noise!,
        [
            new(4, new(20, 1.5, 6, 6), new(-15, 1, 6, 6)),
            new(32, new(10.5, 0.25, 6, 6), new(-4, 0.25, 6, 6)),
            new(1000, new(9, 0, 30, 0), new(-0.9, 0, 30, 0)),
        ],
        120);

    public static LandscapeSummary Landscape { get; } = new(
        "multiples of the filters' own lengths",
        [("direction 1", Slice(1, 1)), ("direction 2", Slice(2.5, 3))],
        new LandscapeSurface([-1, -0.5, 0, 0.5, 1], [-1, 0, 1], [[5.5, 3, 2.2, 3, 5.5], [2.5, 0.7, 0.1, 0.7, 2.5], [5.5, 3, 2.2, 3, 5.5]]));

    public static SharpnessSummary Summary { get; } = new()
    {
        Parameters = 40,
        Loss = 0.125,
        GradientNorm = 0.0625,
        Trace = Trace,
        Eigenvalues = [new(9, 1e-5, true), new(5.5, 2e-5, true), new(2.9, 0.25, false), new(-0.9, 1e-5, true)],
        Density = Density,
        ExactEigenvalues = Spectrum,
        Landscape = Landscape,
        ExactLayerTraces = new Dictionary<string, double> { ["conv"] = 4.25, ["hidden"] = 21.97, ["output"] = 1 },
        Stability = Stability,
        BatchSizes = BatchSizes,
    };

    public static SharpnessReport Report { get; } = new()
    {
        ModelName = "sample-net",
        DataName = "sample data (100 examples)",
        LossName = "mse",
        Summary = Summary,
        Environment = [new("curvature", "0.1.0"), new("threads", 2), new("seconds", 1.5)],
        Command = "curvature report sample-net --data sample.npz --loss mse --seed 0",
        Cuts = ["The density took 3 runs instead of 8."],
        Findings = KnownFindings.Examine(Summary),
    };

    private static LandscapeCurve Slice(double curvature, double fourth) => new(
        [-1, -0.5, 0, 0.5, 1], [.. new[] { -1, -0.5, 0, 0.5, 1 }.Select(t => 0.125 + (curvature * t * t / 2) + (fourth * t * t * t * t))])
    { Quadratic = (0.125, 0, curvature) };

    /// <summary>The same with one name for everything that has one.</summary>
    public static SharpnessReport Named(string name) => Report with
    {
        ModelName = name,
        DataName = name,
        LossName = name,
        Command = name,
        Cuts = [name],
        Environment = [new(name, name)],
        Findings = [Finding.Of(name, Severity.Error, name, (name, name))],
        Summary = Summary with
        {
            Trace = Trace with { Layers = [.. Trace.Layers.Select(layer => layer with { Name = name })] },
            ExactLayerTraces = new Dictionary<string, double> { [name] = 1 },
            Landscape = Landscape with { Unit = name, Curves = [.. Landscape.Curves.Select(curve => (name, curve.Curve))] },
        },
    };

    /// <summary>The same with nothing finite.</summary>
    public static SharpnessSummary NotFinite { get; } = new()
    {
        Parameters = 40,
        Loss = double.NaN,
        GradientNorm = double.PositiveInfinity,
        Trace = new(
            new Estimate(double.NaN, double.NaN, 1, 1),
            [new("a", 20, new Estimate(double.NaN, double.NaN, 1, 1)), new("b", 20, new Estimate(double.NegativeInfinity, 1, 2, 2))]),
        Eigenvalues = [new(double.NaN, double.NaN, false), new(double.PositiveInfinity, double.NaN, false)],
        Density = new(40, [new([double.NaN, double.NaN], [double.NaN, double.NaN])], double.NaN, 2),
        ExactEigenvalues = [double.NaN],
        ExactLayerTraces = new Dictionary<string, double> { ["a"] = double.NaN },
        Stability = Stability with { Sharpness = new(double.NaN, double.NaN, false), BatchSharpness = null, Noise = new(new(double.NaN, double.NaN, 1, 1), null, null) },
        BatchSizes = new(
            10,
            40,
            new(double.NaN, double.NaN, false),
            new(double.NegativeInfinity, 0, true),
            new(new(double.NaN, double.NaN, 1, 1), new(double.NaN, double.NaN, 1, 1), new(double.NaN, double.NaN, 1, 1)),
            [new(4, new(double.NaN, double.NaN, 2, 2), new(double.NaN, 0, 2, 2)), new(8, new(double.PositiveInfinity, double.NaN, 1, 1), new(-1, 0, 2, 2))],
            double.NaN),
        Landscape = new("t", [("a", new([-1, 0, 1], [double.NaN, double.NaN, double.NaN])), ("b", new([-1, 0, 1], [double.PositiveInfinity, 1, double.NaN]))], new([0, 1], [0, 1], [[double.NaN, 1], [1, double.NaN]])),
    };

    private static QuadratureRule Run(double stretch) => new(
        [-0.9, -0.3 * stretch, 0.1, 0.4 * stretch, 3, 5.5, 9],
        [0.025, 0.05, 0.5 * stretch, 0.85 - (0.5 * stretch), 0.02, 0.03, 0.025]);
}
