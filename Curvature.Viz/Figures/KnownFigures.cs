using Curvature.Sharpness;

namespace Curvature.Viz.Figures;

/// <summary>A figure of the catalogue.</summary>
/// <param name="Name">Name of its files.</param>
/// <param name="Summary">What it shows, in one sentence.</param>
/// <param name="Of">Makes it of what was measured; null where that lacks the quantity.</param>
public sealed record FigureKind(string Name, string Summary, Func<SharpnessSummary, Figure?> Of);

/// <summary>The catalogue of figures: a new figure is one file and one line here.</summary>
public static class KnownFigures
{
    /// <summary>Every kind of figure, in the order of a report.</summary>
    public static IReadOnlyList<FigureKind> All { get; } =
    [
        new(
            "spectral-density",
            "Density of all eigenvalues on a logarithmic scale, with its interval and the eigenvalues found one by one.",
            summary => summary.Density is { } density
                ? new SpectralDensityFigure(density, summary.Eigenvalues, summary.ExactEigenvalues)
                : null),
        new(
            "eigenvalues",
            "Eigenvalues, largest magnitude first, with residual bars, beside exact ones where known.",
            summary => summary.Eigenvalues.Count > 0 ? new EigenvalueFigure(summary.Eigenvalues, summary.ExactEigenvalues) : null),
        new(
            "layer-traces",
            "Trace of each layer's block with its 95 % interval, beside exact ones where known.",
            summary => summary.Trace is { Layers.Count: > 0 } trace ? new LayerTraceFigure(trace.Layers, summary.ExactLayerTraces) : null),
        new(
            "batch-sizes",
            "Extreme eigenvalues of mini-batch Hessians by batch size beside the law of random matrices.",
            summary => summary.BatchSizes is { } sizes ? new BatchSizeFigure(sizes) : null),
        new(
            "landscape-curves",
            "The loss along one or two lines, with the quadratic model of slope and curvature beside it.",
            summary => summary.Landscape is { Curves.Count: > 0 } landscape ? new LandscapeCurveFigure(landscape.Curves, landscape.Unit) : null),
        new(
            "landscape",
            "The loss over a plane as lines of equal height.",
            summary => summary.Landscape is { Surface: { } surface } landscape
                ? new LandscapeContourFigure(surface, landscape.Curves[0].Name, landscape.Curves[1].Name)
                : null),
        new(
            "landscape-surface",
            "The loss over a plane as a surface, to be turned in the page.",
            summary => summary.Landscape is { Surface: { } surface } landscape
                ? new LandscapeSurfaceFigure(surface, landscape.Curves[0].Name, landscape.Curves[1].Name)
                : null),
    ];

    /// <summary>The figures that <paramref name="summary"/> has the quantities for.</summary>
    public static IReadOnlyList<Figure> Of(SharpnessSummary summary) => [.. All.Select(kind => kind.Of(summary)).OfType<Figure>()];
}
