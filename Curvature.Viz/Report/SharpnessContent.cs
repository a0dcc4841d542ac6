using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>Puts a sharpness report into words, tables and figures.</summary>
public static class SharpnessContent
{
    private const double NoiseExample = 0.01;

    /// <summary>The content of the page. Quantities that were not measured are left out.</summary>
    public static ReportContent Of(SharpnessReport report)
    {
        SharpnessSummary summary = report.Summary;
        return new ReportContent
        {
            Kind = "Sharpness report",
            Title = report.ModelName,
            Lead = $"Curvature of the {report.LossName} loss on {report.DataName}: the {Matrix(report.MatrixName)} over {NumberText.Of(summary.Parameters)} parameters.",
            Headlines = [.. Headlines(summary)],
            Findings = report.Findings,
            Sections = [.. Sections(summary).Where(section => section.Blocks.Count > 0)],
            Command = report.Command,
            Cuts = report.Cuts,
            Environment = report.Environment,
        };
    }

    private static IEnumerable<Headline> Headlines(SharpnessSummary summary)
    {
        if (summary.Largest is { } largest)
        {
            string meaning = summary.LargestStableLearningRate is { } rate
                ? $"The loss curves most sharply along one direction. Plain gradient descent is stable up to a learning rate of 2 / λmax = {NumberText.Of(rate, 3)}."
                : "No direction of positive curvature was found.";
            yield return new("Sharpness λmax", NumberText.Of(largest.Value), meaning);
        }

        if (summary.Trace?.Total is { } trace)
        {
            double average = trace.Value / summary.Parameters, rise = 0.5 * NoiseExample * NoiseExample * trace.Value;
            yield return new(
                "Trace",
                NumberText.Of(trace),
                $"Sum of all curvatures, {NumberText.Of(average, 3)} per parameter. Noise of standard deviation {NumberText.Of(NoiseExample, 1)} on every weight adds about {NumberText.Of(rise, 2)} to the loss.");
        }

        if (summary.Density is { } density)
        {
            DensityMass mass = DensityMass.Of(density);
            yield return new("Flat directions", Percent(mass.NearZero), $"Eigenvalues within {NumberText.Of(mass.Band, 2)} of zero, that is 1 % of the largest magnitude.");
            double lowest = summary.Eigenvalues.Select(eigenvalue => eigenvalue.Value).Append(density.Minimum).Min();
            yield return new(
                "Negative curvature",
                lowest < 0 ? NumberText.Of(lowest) : "none found",
                (lowest < 0 ? "Smallest eigenvalue found. A minimum has no negative one. " : "") + $"{Percent(mass.Negative)} of all eigenvalues lie below −{NumberText.Of(mass.Band, 2)}.");
        }

        if (summary.Loss is { } loss)
        {
            yield return new("Loss", NumberText.Of(loss), "Value of the objective at this checkpoint.");
        }

        if (summary.GradientNorm is { } norm)
        {
            yield return new("Gradient norm", NumberText.Of(norm), "0 at a stationary point. A step of length ε changes the loss by at most ε times this, to first order.");
        }
    }

    private static IEnumerable<ReportSection> Sections(SharpnessSummary summary)
    {
        yield return new("Estimates", Estimates(summary));
        yield return new("Spectrum", Spectrum(summary));
        yield return new("Eigenvalues", Eigenvalues(summary));
        yield return new("Layers", Layers(summary));
    }

    private static ReportBlock[] Estimates(SharpnessSummary summary)
    {
        double[]? exact = summary.ExactEigenvalues?.ToArray();
        var rows = new List<IReadOnlyList<string>>();
        if (summary.Trace?.Total is { } trace)
        {
            rows.Add(Row("trace", trace, exact?.Sum() ?? summary.ExactLayerTraces?.Values.Sum(), NumberText.Of((long)trace.Products)));
        }

        if (summary.Density is { } density)
        {
            DensityMass mass = DensityMass.Of(density);
            string products = NumberText.Of((long)density.Products);
            rows.Add(Row("fraction of eigenvalues near zero", mass.NearZero, Fraction(exact, value => Math.Abs(value) <= mass.Band), products));
            rows.Add(Row("fraction of eigenvalues clearly negative", mass.Negative, Fraction(exact, value => value < -mass.Band), products));
        }

        ReportColumn[] columns =
        [
            new("quantity", IsNumeric: false), new("estimate"), new("standard error"), new("95 % interval"), new("exact"), new("z-score"), new("products"),
        ];
        return rows.Count == 0 ? [] : [
            new Paragraph(
                "Each estimate is a mean over random probes; its standard error is over the probes, not over the data. " +
                (summary.Density is null ? "" : "Fractions also carry the resolution of the quadrature, which no standard error shows.")),
            Trimmed(new ReportTable("Estimates with their uncertainty; z-score = (estimate − exact) / standard error", columns, rows))];
    }

    private static ReportBlock[] Spectrum(SharpnessSummary summary)
    {
        if (summary.Density is not { } density)
        {
            return [];
        }

        DensityMass mass = DensityMass.Of(density);
        return
        [
            new Paragraph(
                $"Of the {NumberText.Of(density.Dimension)} eigenvalues, {Percent(mass.NearZero)} lie within {NumberText.Of(mass.Band, 2)} of zero and " +
                $"{Percent(mass.Negative)} below −{NumberText.Of(mass.Band, 2)}. The density comes from {density.Runs.Count} Lanczos runs of up to " +
                $"{density.Runs.Max(run => run.Nodes.Length)} steps and is drawn with a Gaussian kernel of width {NumberText.Of(density.KernelWidth, 2)}: finer detail is not resolved."),
            new ReportFigure(
                new SpectralDensityFigure(density, summary.Eigenvalues, summary.ExactEigenvalues),
                "Logarithmic density of all eigenvalues with its 95 % interval over the runs. Circles are eigenvalues found one by one" +
                (summary.ExactEigenvalues is null ? "." : "; ticks along the axis are the exact ones.")),
        ];
    }

    private static ReportBlock[] Eigenvalues(SharpnessSummary summary)
    {
        if (summary.Eigenvalues.Count == 0)
        {
            return [];
        }

        Eigenvalue[] ranked = [.. summary.Eigenvalues.OrderByDescending(eigenvalue => eigenvalue.Value)];
        double[]? partners = summary.ExactEigenvalues is { } exact ? ExactPairing.Of([.. ranked.Select(eigenvalue => eigenvalue.Value)], exact) : null;
        ReportColumn[] columns = [new("rank"), new("eigenvalue"), new("residual"), new("converged", IsNumeric: false), new("exact"), new("difference")];
        return
        [
            new Paragraph("An exact eigenvalue lies within one residual of each value found."),
            new ReportFigure(
                new EigenvalueFigure(ranked, summary.ExactEigenvalues),
                "Bars reach one residual up and down; most are shorter than the marker." + (partners is null ? "" : " Diamonds are the exact eigenvalues of the same rank.")),
            Trimmed(new ReportTable("Eigenvalues by rank, largest first", columns, [.. ranked.Select((eigenvalue, i) => (string[])
            [
                NumberText.Of(i + 1L),
                NumberText.Of(eigenvalue.Value, 6),
                NumberText.Of(eigenvalue.Residual, 2),
                eigenvalue.Converged ? "yes" : "no",
                partners is null ? "" : NumberText.Of(partners[i], 6),
                partners is null ? "" : NumberText.Of(eigenvalue.Value - partners[i], 2),
            ])])),
        ];
    }

    private static ReportBlock[] Layers(SharpnessSummary summary)
    {
        if (summary.Trace is not { Layers.Count: > 0 } trace)
        {
            return [];
        }

        ReportColumn[] columns =
        [
            new("layer", IsNumeric: false), new("parameters"), new("trace"), new("standard error"), new("share of trace"), new("per parameter"), new("exact"), new("z-score"),
        ];
        return
        [
            new Paragraph("The trace of a layer's block says how much noise on that layer's weights raises the loss: layers with a large trace are sensitive ones."),
            new ReportFigure(
                new LayerTraceFigure(trace.Layers, summary.ExactLayerTraces),
                "Bars are estimates, whiskers their 95 % intervals." + (summary.ExactLayerTraces is null ? "" : " Diamonds are exact.")),
            Trimmed(new ReportTable("Trace by layer, in the order of the model", columns, [.. trace.Layers.Select(layer => LayerRow(layer, trace.Total.Value, summary))])),
        ];
    }

    private static string[] LayerRow(LayerTrace layer, double total, SharpnessSummary summary)
    {
        double? exact = summary.ExactLayerTraces is { } traces && traces.TryGetValue(layer.Name, out double value) ? value : null;
        return
        [
            layer.Name,
            NumberText.Of(layer.Parameters),
            NumberText.Of(layer.Trace.Value),
            NumberText.Of(layer.Trace.StandardError, 2),
            NumberText.Percent(layer.Trace.Value / total),
            NumberText.Of(layer.Trace.Value / layer.Parameters, 3),
            exact is { } known ? NumberText.Of(known) : "",
            exact is { } reference ? Score(layer.Trace, reference) : "",
        ];
    }

    private static string[] Row(string quantity, Estimate estimate, double? exact, string products)
    {
        (double low, double high) = estimate.ConfidenceInterval();
        return
        [
            quantity,
            NumberText.Of(estimate.Value),
            NumberText.Of(estimate.StandardError, 2),
            $"{NumberText.Of(low)} to {NumberText.Of(high)}",
            exact is { } known ? NumberText.Of(known) : "",
            exact is { } reference ? Score(estimate, reference) : "",
            products,
        ];
    }

    private static string Score(Estimate estimate, double exact) =>
        estimate.StandardError > 0 && !NumberText.IsRounding(estimate) ? NumberText.Of((estimate.Value - exact) / estimate.StandardError, 2) : "";

    private static string Matrix(string name) => name switch
    {
        "hessian" => "Hessian",
        "ggn" => "generalised Gauss-Newton matrix",
        "fisher" => "Fisher matrix",
        "empirical-fisher" => "empirical Fisher matrix",
        _ => name,
    };

    private static double? Fraction(double[]? values, Func<double, bool> where) =>
        values is null ? null : (double)values.Count(where) / values.Length;

    private static string Percent(Estimate fraction) => NumberText.Of(fraction with { Value = 100 * fraction.Value, StandardError = 100 * fraction.StandardError }) + " %";

    /// <summary>The table without the columns that are empty in every row: there is nothing exact to compare with.</summary>
    private static ReportTable Trimmed(ReportTable table)
    {
        int[] kept = [.. Enumerable.Range(0, table.Columns.Count).Where(i => table.Rows.Any(row => row[i].Length > 0))];
        return table with
        {
            Columns = [.. kept.Select(i => table.Columns[i])],
            Rows = [.. table.Rows.Select(row => (string[])[.. kept.Select(i => row[i])])],
        };
    }
}
