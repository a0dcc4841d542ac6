using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>The tables and figures of a sharpness report, exact numbers beside estimates where there are any.</summary>
internal static class SharpnessSections
{
    private const string Unknown = "unknown";

    public static IEnumerable<ReportSection> Of(SharpnessSummary summary)
    {
        ReportSection[] sections =
        [
            new("Estimates", [.. Estimates(summary)]),
            new("Spectrum", [.. Spectrum(summary)]),
            new("Eigenvalues", [.. Eigenvalues(summary)]),
            new("Layers", [.. Layers(summary)]),
            new("Stability", [.. StabilitySections.Limits(summary)]),
            new("Batch sizes", [.. StabilitySections.BatchSizes(summary)]),
            new("Landscape", [.. Landscape(summary)]),
        ];
        return sections.Where(section => section.Blocks.Count > 0);
    }

    private static IEnumerable<ReportBlock> Estimates(SharpnessSummary summary)
    {
        double[]? exact = summary.ExactEigenvalues?.ToArray();
        var rows = new List<IReadOnlyList<string>>();
        if (summary.Trace is { Total: var trace })
        {
            rows.Add(EstimateRow("trace", trace, exact?.Sum() ?? summary.ExactLayerTraces?.Values.Sum()));
        }

        if (summary.Density is { } density)
        {
            DensityMass mass = DensityMass.Of(density);
            double? nearZero = Fraction(exact, value => Math.Abs(value) <= mass.Band);
            double? negative = Fraction(exact, value => value < -mass.Band);
            rows.Add(EstimateRow("fraction of eigenvalues near zero", mass.NearZero, nearZero));
            rows.Add(EstimateRow("fraction of eigenvalues clearly negative", mass.Negative, negative));
        }

        if (rows.Count == 0)
        {
            yield break;
        }

        yield return new Paragraph(
            "Each estimate is a mean over random probes; its standard error is over the probes, not over the data." +
            (summary.Density is null ? "" : " Fractions also carry the resolution of the quadrature, which no standard error shows."));
        yield return Table(
            exact is null && summary.ExactLayerTraces is null ? "Estimates with their uncertainty" : "Estimates with their uncertainty; z-score = (estimate − exact) / standard error",
            ["quantity:", "estimate", "standard error", "95 % interval", "exact", "z-score", "products"],
            rows);
    }

    private static IEnumerable<ReportBlock> Spectrum(SharpnessSummary summary)
    {
        if (summary.Density is not { } density)
        {
            yield break;
        }

        DensityMass mass = DensityMass.Of(density);
        string band = NumberText.Of(mass.Band, 2);
        yield return new Paragraph(
            $"Of the {NumberText.Of(density.Dimension)} eigenvalues, {NumberText.Percent(mass.NearZero)} lie within {band} of zero and " +
            $"{NumberText.Percent(mass.Negative)} below −{band}. The density comes from {NumberText.Of(density.Runs.Count, "Lanczos run")} of up to " +
            $"{NumberText.Of(density.Runs.Max(run => run.Nodes.Length), "step")} and is drawn with a Gaussian kernel of width " +
            $"{NumberText.Of(density.KernelWidth, 2)}: finer detail is not resolved.");
        yield return new ReportFigure(
            new SpectralDensityFigure(density, summary.Eigenvalues, summary.ExactEigenvalues),
            "Density of all eigenvalues with its 95 % interval over the runs. Circles are eigenvalues found one by one" +
            (summary.ExactEigenvalues is null ? "." : "; ticks along the axis are the exact ones."));
    }

    private static IEnumerable<ReportBlock> Eigenvalues(SharpnessSummary summary)
    {
        if (summary.Eigenvalues.Count == 0)
        {
            yield break;
        }

        Eigenvalue[] ranked = [.. summary.Eigenvalues.OrderByDescending(eigenvalue => Math.Abs(eigenvalue.Value))];
        double[] values = [.. ranked.Select(eigenvalue => eigenvalue.Value)];
        double[]? exact = summary.ExactEigenvalues is { } all ? ExactPairing.Of(values, all) : null;
        yield return new Paragraph("An exact eigenvalue lies within one residual of each value found.");
        yield return new ReportFigure(
            new EigenvalueFigure(ranked, summary.ExactEigenvalues),
            "Bars reach one residual up and down; most are shorter than the marker." +
            (ranked.Length > EigenvalueFigure.MostDrawn ? $" Drawn are the {EigenvalueFigure.MostDrawn} of the largest magnitude of {NumberText.Of(ranked.Length)}; the table has all." : "") +
            (exact is null ? "" : " Diamonds are the exact eigenvalues beside them."));
        yield return Table(
            "Eigenvalues, largest magnitude first",
            ["rank by |λ|", "eigenvalue", "residual", "converged:", "exact", "difference"],
            ranked.Select((eigenvalue, i) => EigenvalueRow(i + 1, eigenvalue, exact?[i])));
    }

    private static IEnumerable<ReportBlock> Layers(SharpnessSummary summary)
    {
        if (summary.Trace is not { Layers.Count: > 0 } trace)
        {
            yield break;
        }

        yield return new Paragraph(
            "The trace of a layer's block says how much noise on that layer's weights raises the loss: " +
            "layers with a large trace are sensitive ones.");
        yield return new ReportFigure(
            new LayerTraceFigure(trace.Layers, summary.ExactLayerTraces),
            "Bars are estimates, whiskers their 95 % intervals." + (summary.ExactLayerTraces is null ? "" : " Diamonds are exact."));
        yield return Table(
            "Trace by layer, in the order of the model",
            ["layer:", "parameters", "trace", "standard error", "share of trace", "per parameter", "exact", "z-score"],
            trace.Layers.Select(layer => LayerRow(layer, trace.Total.Value, summary.ExactLayerTraces)));
    }

    private static IEnumerable<ReportBlock> Landscape(SharpnessSummary summary)
    {
        if (summary.Landscape is not { Curves.Count: > 0 } landscape)
        {
            yield break;
        }

        yield return new Paragraph(
            "The loss along directions from the checkpoint, at position 0. The quadratic model is what slope and curvature there say; how far it agrees is how far they can be trusted.");
        yield return new ReportFigure(
            new LandscapeCurveFigure(landscape.Curves, landscape.Unit), $"Positions are {landscape.Unit}. Dashes are the quadratic model; losses that are not finite are gaps.");
        if (landscape.Surface is { } surface)
        {
            yield return new ReportFigure(
                new LandscapeContourFigure(surface, landscape.Curves[0].Name, landscape.Curves[1].Name), "Lines of equal loss over the plane of the two directions, the checkpoint at the origin.");
            yield return new ReportFigure(
                new LandscapeSurfaceFigure(surface, landscape.Curves[0].Name, landscape.Curves[1].Name), "The same losses as heights; the dot is the checkpoint.");
        }
    }

    private static string[] EstimateRow(string quantity, Estimate estimate, double? exact)
    {
        (double low, double high) = estimate.ConfidenceInterval();
        return
        [
            quantity,
            NumberText.Of(estimate.Value),
            Error(estimate),
            double.IsFinite(high - low) ? $"{NumberText.Of(low)} to {NumberText.Of(high)}" : Unknown,
            exact is { } known ? NumberText.Of(known) : "",
            Score(estimate, exact),
            NumberText.Of((long)estimate.Products),
        ];
    }

    private static string[] EigenvalueRow(int rank, Eigenvalue eigenvalue, double? exact) =>
    [
        NumberText.Of((long)rank),
        NumberText.Of(eigenvalue.Value, 6),
        NumberText.Of(eigenvalue.Residual, 2),
        eigenvalue.Converged ? "yes" : "no",
        exact is { } known ? NumberText.Of(known, 6) : "",
        exact is { } partner ? NumberText.Of(eigenvalue.Value - partner, 2) : "",
    ];

    private static string[] LayerRow(LayerTrace layer, double total, IReadOnlyDictionary<string, double>? traces)
    {
        double? exact = traces is not null && traces.TryGetValue(layer.Name, out double value) ? value : null;
        return
        [
            layer.Name,
            NumberText.Of(layer.Parameters),
            NumberText.Of(layer.Trace.Value),
            Error(layer.Trace),
            NumberText.Percent(layer.Trace.Value / total),
            NumberText.Of(layer.Trace.Value / layer.Parameters, 3),
            exact is { } known ? NumberText.Of(known) : "",
            Score(layer.Trace, exact),
        ];
    }

    /// <summary>The standard error; of one sample it is unknown.</summary>
    private static string Error(Estimate estimate) => double.IsFinite(estimate.StandardError) ? NumberText.Of(estimate.StandardError, 2) : Unknown;

    private static string Score(Estimate estimate, double? exact) => exact is { } known && NumberText.HasSamplingError(estimate)
        ? NumberText.Of((estimate.Value - known) / estimate.StandardError, 2)
        : "";

    private static double? Fraction(double[]? values, Func<double, bool> where) =>
        values is null ? null : (double)values.Count(where) / values.Length;

    /// <summary>A table of numbers, and of words under headings that end in a colon, without columns that are empty in every row.</summary>
    private static ReportTable Table(string caption, string[] headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        IReadOnlyList<string>[] all = [.. rows];
        int[] kept = [.. Enumerable.Range(0, headings.Length).Where(i => all.Any(row => row[i].Length > 0))];
        return new ReportTable(
            caption,
            [.. kept.Select(i => new ReportColumn(headings[i].TrimEnd(':'), !headings[i].EndsWith(':')))],
            [.. all.Select(row => (string[])[.. kept.Select(i => row[i])])]);
    }
}
