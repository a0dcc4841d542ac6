using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Viz.Report;

namespace Curvature.Cli.Output;

/// <summary>A plan as text for a person.</summary>
internal static class PlanText
{
    /// <summary>Prints a plan.</summary>
    /// <param name="terminal">Where to.</param>
    /// <param name="report">The plan.</param>
    /// <param name="file">What was written; null for nothing.</param>
    public static void Print(Terminal terminal, PlanReport report, string? file)
    {
        LayerTable table = report.Problem.Table;
        terminal.Print($"{report.Name}: {Format.Count(table.Layers.Count, "layer")}, {Format.Count(table.Layers.Sum(layer => layer.Parameters), "parameter")}; {report.Search} plan {(report.Kept is { } kept ? $"that keeps {Format.Percent(kept)} of the accuracy in floating point" : $"within {string.Join(", ", report.Limits.Select(limit => limit.Text))}")}");
        if (report.Measured is { } about)
        {
            terminal.Print($"sensitivity '{about.Sensitivity}' of {about.LossName} on {Format.Count(about.Samples, "sample")} of {about.DataName}");
        }

        terminal.Print();
        Layers(terminal, report);
        terminal.Print();
        Plans(terminal, report);
        terminal.Print();
        terminal.Print($"Pareto frontier under {report.Frontier.CostKind.ToString().ToLowerInvariant()}: {Format.Count(report.Frontier.Count, "plan")}, {Format.Count(report.Frontier.ConvexHull().Count)} on its convex hull");
        if (report.Measured is { } measured)
        {
            Measured(terminal, measured);
        }

        if (report.Findings.Count > 0)
        {
            ReportText.Findings(terminal, report.Findings);
        }

        if (file is not null)
        {
            terminal.Print($"plan: {Path.GetFullPath(file)}");
        }
    }

    /// <summary>A quality's cells: loss and accuracy.</summary>
    public static string[] Cells(NetworkQuality quality) => [Format.Number(quality.Loss), quality.Accuracy is { } accuracy ? Format.Percent(accuracy) : "-"];

    private static void Layers(Terminal terminal, PlanReport report)
    {
        LayerTable table = report.Problem.Table;
        bool unsure = report.Uncertainty is not null, measured = report.Measured is not null;
        IReadOnlyDictionary<string, int>? inputs = report.Measured?.Inputs?.Bits;
        terminal.Print(
            ["layer", "parameters", "bits", .. inputs is not null ? ["bits of the input"] : Array.Empty<string>(), "sensitivity", .. unsure ? ["other bits within error"] : Array.Empty<string>(), .. measured ? ["measured increase"] : Array.Empty<string>()],
            table.Layers.Select((layer, i) => (string[])
            [
                layer.Name,
                Format.Count(layer.Parameters),
                $"{report.Plan.Bits[i]}{(layer.Fixed is null ? "" : " (fixed)")}",
                .. inputs is not null ? [inputs.TryGetValue(layer.Name, out int input) ? $"{input}" : "-"] : Array.Empty<string>(),
                layer.SensitivityAt(report.Plan.Bits[i]) is { } sensitivity ? Format.Number(sensitivity) : "-",
                .. unsure ? [Format.Percent(report.Uncertainty!.Layers[i].Flips)] : Array.Empty<string>(),
                .. measured ? [Increase(report.Measured!.Increases.Layers[i], report.Plan.Bits[i])] : Array.Empty<string>(),
            ]));
    }

    private static string Increase(TableLayer layer, int bits) => layer.SensitivityAt(bits) is not { } increase ? "-"
        : layer.StandardErrorAt(bits) is > 0 and var error ? $"{Format.Number(increase)} ± {Format.Error(error)}" : Format.Number(increase);

    private static void Plans(Terminal terminal, PlanReport report)
    {
        bool bops = report.Plan.Bops is not null, latency = report.Plan.LatencyMs is not null;
        terminal.Print(
            ["plan", "objective", .. report.Terms is not null ? ["with terms between layers"] : Array.Empty<string>(), "bytes", "bits a weight", .. bops ? ["bit operations"] : Array.Empty<string>(), .. latency ? ["ms"] : Array.Empty<string>(), report.Kept is null ? "within limits" : "no larger"],
            report.Others.Prepend((report.Search, report.Plan)).Select(other => (string[])
            [
                other.Item1,
                Format.Number(other.Item2.Objective),
                .. report.Terms is not null ? [report.WithTerms(other.Item2) is { } joint ? Format.Number(joint) : "-"] : Array.Empty<string>(),
                Format.Count((long)Math.Ceiling(other.Item2.SizeBytes)),
                Format.Number(other.Item2.AverageBits),
                .. bops ? [CostText.Of(PlanCost.Bops, other.Item2.Bops!.Value)] : Array.Empty<string>(),
                .. latency ? [other.Item2.LatencyMs is { } ms ? Format.Number(ms) : "-"] : Array.Empty<string>(),
                report.Keeps(other.Item2) ? "yes" : "no",
            ]));
    }

    private static void Measured(Terminal terminal, PlanMeasurement measured)
    {
        terminal.Print();
        bool test = measured.TestName is not null;
        terminal.Print(
            [measured.Inputs is { } inputs ? $"measured, inputs at {inputs.Text}" : "measured, weights quantized", "loss", "accuracy", .. test ? ["test loss", "test accuracy"] : Array.Empty<string>()],
            measured.Plans.Prepend(measured.Baseline).Select(plan => (string[])[plan.Name, .. Cells(plan.Data), .. plan.Test is { } held ? Cells(held) : []]));
        terminal.Print();
        if (measured.Predicted is { } predicted)
        {
            terminal.Print($"loss foretold to rise by {Format.Number(predicted)}{(measured.Inputs is null ? "" : " of the weights alone")}, measured {Format.Number(measured.Plans[0].Data.Loss - measured.Baseline.Data.Loss)}");
        }

        if (measured.Inputs is { Plan: { } activations } chosen)
        {
            terminal.Print($"bits of inputs: a plan within {string.Join(", ", chosen.Limits.Select(limit => limit.Text))}, {Format.Count((long)Math.Ceiling(activations.SizeBytes))} bytes a sample, {Format.Number(activations.AverageBits)} bits a value");
        }

        if (measured.Ranks.Count > 0)
        {
            terminal.Print($"Kendall's tau of the sensitivity and the measured increase by layer: {string.Join(", ", measured.Ranks.Select(rank => $"{(double.IsFinite(rank.Tau.Value) ? rank.Tau.Value.ToString("F2", System.Globalization.CultureInfo.InvariantCulture) : "none")} at {rank.Bits} bits"))} (by chance ±{Format.Error(measured.Ranks[0].Tau.Chance)})");
        }

        terminal.Print($"fine-tune in this order: {string.Join(", ", measured.FineTuning.Take(8).Select(layer => layer.Layer))}{(measured.FineTuning.Count > 8 ? ", ..." : "")}");
    }
}
