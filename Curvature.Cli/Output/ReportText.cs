using Curvature.Estimators;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Output;

/// <summary>A report as text for a person.</summary>
internal static class ReportText
{
    /// <summary>What was measured on what.</summary>
    public static void Head(Terminal terminal, SharpnessReport report)
    {
        SharpnessSummary summary = report.Summary;
        terminal.Print($"{summary.Matrix} of {report.LossName} of {report.ModelName} ({Format.Count(summary.Parameters, "parameter")}) on {report.DataName}");
        terminal.Print($"loss {Format.Number(summary.Loss ?? double.NaN)}, gradient norm {Format.Number(summary.GradientNorm ?? double.NaN)}");
    }

    /// <summary>The trace and each layer's share, beside the exact values where they are known.</summary>
    public static void Trace(Terminal terminal, SharpnessSummary summary)
    {
        if (summary.Trace is not { } trace)
        {
            return;
        }

        bool exact = summary.ExactLayerTraces is not null;
        terminal.Print();
        terminal.Print(
            ["layer", "parameters", "trace", "95 % interval", "share", .. exact ? ["exact"] : Array.Empty<string>()],
            trace.Layers.Select(layer => TraceRow(layer.Name, layer.Parameters, layer.Trace, trace.Total.Value, summary.ExactLayerTraces?[layer.Name]))
                .Append(TraceRow("whole model", summary.Parameters, trace.Total, trace.Total.Value, summary.ExactEigenvalues?.Sum())));
    }

    /// <summary>The eigenvalues, beside the nearest exact ones where they are known.</summary>
    public static void Eigenvalues(Terminal terminal, SharpnessSummary summary)
    {
        if (summary.Eigenvalues.Count == 0)
        {
            return;
        }

        IReadOnlyList<double>? exact = summary.ExactEigenvalues;
        terminal.Print();
        terminal.Print(
            ["rank by |λ|", "eigenvalue", "residual", "converged", .. exact is null ? Array.Empty<string>() : ["exact"]],
            summary.Eigenvalues.Select((eigenvalue, i) => (string[])
            [
                $"{i + 1}",
                Format.Number(eigenvalue.Value),
                Format.Error(eigenvalue.Residual),
                eigenvalue.Converged ? "yes" : "no",
                .. exact is null ? Array.Empty<string>() : [Format.Number(exact.MinBy(value => Math.Abs(value - eigenvalue.Value)))],
            ]));
    }

    /// <summary>Where the mass of the spectrum lies.</summary>
    public static void Density(Terminal terminal, SharpnessSummary summary)
    {
        if (summary.Density is not { } density)
        {
            return;
        }

        DensityMass mass = DensityMass.Of(density);
        double band = mass.Band;
        terminal.Print();
        terminal.Print(
            ["eigenvalues", "share", "number"],
            [
                Row($"below -{Format.Error(band)}", mass.Negative),
                Row($"within ±{Format.Error(band)} (1 % of the largest)", mass.NearZero),
                Row($"above {Format.Error(band)}", density.Mass(band, double.PositiveInfinity)),
            ]);
        terminal.Print($"nodes from {Format.Number(density.Minimum)} to {Format.Number(density.Maximum)}; {Format.Count(density.Runs.Count, "run")}, {Format.Count(density.Products, "product")}");

        string[] Row(string where, Estimate share) =>
        [
            where,
            Format.Percent(share),
            $"{Format.Count((long)Math.Round(share.Value * density.Dimension))}",
        ];
    }

    /// <summary>The diagonal in a few numbers, by layer.</summary>
    public static void Diagonal(Terminal terminal, DiagonalSummary diagonal)
    {
        terminal.Print();
        terminal.Print(
            ["layer", "parameters", "sum", "smallest", "largest", "below 0", "error of an entry"],
            diagonal.Layers.Append(diagonal.Whole).Select(layer => (string[])
            [
                layer.Name,
                Format.Count(layer.Parameters),
                Format.Number(layer.Sum),
                Format.Number(layer.Smallest),
                Format.Number(layer.Largest),
                Format.Percent(layer.NegativeShare),
                layer.StandardError == 0 ? "exact" : Format.Error(layer.StandardError),
            ]));
        string squares = diagonal.SumOfSquares is { } sum ? $"sum of squares {Format.Estimate(sum)}; " : "";
        terminal.Print($"error of the whole vector {Format.Percent(diagonal.RelativeError)} of it; {squares}{Format.Count(diagonal.Products, "product")}");
    }

    /// <summary>A norm, of the whole and of the layers.</summary>
    public static void Norm(Terminal terminal, SharpnessSummary summary)
    {
        terminal.Print();
        string kind = $"{summary.Norm!.Kind} norm";
        if (summary.Norm.Bound is { } whole)
        {
            terminal.Print(
                ["layer", "parameters", $"{kind} at least", $"at most ({Format.Percent(whole.Probability)} sure)", "products"],
                Rows(summary, block => [Format.Number(block.Norm!.Bound!.Value), Format.Number(block.Norm.Bound.UpperBound), Format.Count(block.Norm.Bound.Products)]));
        }
        else
        {
            terminal.Print(["layer", "parameters", kind, "95 % interval", "products"], Rows(summary, block => Numbers(block.Norm!.Estimate!)));
            Settled(terminal, summary.Norm.QuadratureError);
        }
    }

    /// <summary>The log-determinant, of the whole and of the layers.</summary>
    public static void LogDeterminant(Terminal terminal, SharpnessSummary summary)
    {
        terminal.Print();
        terminal.Print(["layer", "parameters", "log-determinant", "95 % interval", "products"], Rows(summary, block => Numbers(block.LogDeterminant!.Estimate)));
        Settled(terminal, summary.LogDeterminant!.QuadratureError);
    }

    /// <summary>Largest stable learning rates, beside the one that is used.</summary>
    public static void Stability(Terminal terminal, SharpnessSummary summary)
    {
        if (summary.Stability is not { } stability)
        {
            return;
        }

        double? rate = stability.Setting.LearningRate;
        terminal.Print();
        terminal.Print(
            ["rule", "condition", "largest stable rate", .. rate is null ? Array.Empty<string>() : ["rate / limit"]],
            stability.Limits.Select(limit => (string[])
            [
                limit.Rule,
                limit.Condition,
                limit.StandardError > 0 ? Format.Estimate(new Estimate(limit.Rate, limit.StandardError, 0, 2)) : Format.Number(limit.Rate),
                .. rate is { } used ? [Format.Number(used / limit.Rate)] : Array.Empty<string>(),
            ]));
        terminal.Print($"sharpness {Format.Number(stability.Sharpness.Value)}" + (stability.PreconditionedSharpness is { } seen ? $", seen by {stability.Setting.Rule.Title} {Format.Number(seen.Value)}" : "")
            + (stability.BatchSharpness is { MeanOfRatios: var along } ? $"; batches of {stability.Setting.BatchSize} along their gradients {Format.Estimate(along)}" : ""));
    }

    /// <summary>Ends of the spectrum by batch size.</summary>
    public static void BatchSizes(Terminal terminal, SharpnessSummary summary)
    {
        if (summary.BatchSizes is not { } found)
        {
            return;
        }

        terminal.Print();
        terminal.Print(
            ["batch size", "λmax", "predicted", "isotropic", "λmin", "isotropic", "stable rate", "damping"],
            found.Measured.Select(size => (string[])
            [
                Format.Count(size.BatchSize),
                Format.Estimate(size.Largest),
                Format.Number(found.Directional.LargestAt(size.BatchSize)),
                Format.Number(found.Isotropic.LargestAt(size.BatchSize)),
                Format.Estimate(size.Smallest),
                Format.Number(found.Isotropic.SmallestAt(size.BatchSize)),
                Format.Number(2 / size.Largest.Value),
                Format.Number(Math.Max(0, -size.Smallest.Value)),
            ]));
        terminal.Print($"{Format.Count(found.Samples, "sample")}; predictions from their eigenvalues and the noise along the sharpest direction (isotropic: along random ones)");
    }

    /// <summary>The main numbers of several checkpoints.</summary>
    public static void Series(Terminal terminal, IReadOnlyList<SharpnessReport> reports)
    {
        terminal.Print();
        terminal.Print(
            ["checkpoint", "loss", "gradient norm", "λmax", "trace"],
            reports.Select(report => (string[])
            [
                report.ModelName,
                Format.Number(report.Summary.Loss ?? double.NaN),
                Format.Number(report.Summary.GradientNorm ?? double.NaN),
                (report.Summary.Largest is { Converged: false } ? "at least " : "") + Format.Number(report.Summary.Largest?.Value ?? double.NaN),
                report.Summary.Trace is { } trace ? Format.Estimate(trace.Total) : "",
            ]));
    }

    /// <summary>What a reader should know, a line each.</summary>
    public static void Findings(Terminal terminal, IReadOnlyList<Finding> findings)
    {
        terminal.Print();
        foreach (Finding finding in findings)
        {
            terminal.Print($"{finding.Severity.ToString().ToLowerInvariant()} {finding.Id}: {finding.Message}");
        }
    }

    private static IEnumerable<string[]> Rows(SharpnessSummary summary, Func<SharpnessSummary, string[]> numbers) => summary.Layers
        .Append(new LayerSummary("whole model", summary))
        .Select(layer => (string[])[layer.Name, Format.Count(layer.Summary.Parameters), .. numbers(layer.Summary)]);

    private static string[] Numbers(Estimate estimate) => [Format.Estimate(estimate), Format.Interval(estimate), Format.Count(estimate.Products)];

    private static void Settled(Terminal terminal, double? quadratureError)
    {
        if (quadratureError is { } error)
        {
            terminal.Print($"with half of the steps the value differs by {Format.Error(error)}");
        }
    }

    private static string[] TraceRow(string name, long parameters, Estimate trace, double total, double? exact) =>
    [
        name,
        Format.Count(parameters),
        Format.Estimate(trace),
        Format.Interval(trace),
        Format.Percent(trace.Value / total),
        .. exact is { } value ? [Format.Number(value)] : Array.Empty<string>(),
    ];
}
