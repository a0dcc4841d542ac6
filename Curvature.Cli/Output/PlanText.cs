using Curvature.Cli.Work;
using Curvature.Quant.Planning;

namespace Curvature.Cli.Output;

/// <summary>A plan as text for a person.</summary>
internal static class PlanText
{
    public static void Print(Terminal terminal, PlanReport report)
    {
        LayerTable table = report.Problem.Table;
        terminal.Print($"{Path.GetFileName(report.Request.Table)}: {Format.Count(table.Layers.Count, "layer")}, {Format.Count(table.Layers.Sum(layer => layer.Parameters), "parameter")}; {report.Request.Search} plan within {string.Join(", ", report.Request.Limits.Select(limit => limit.Text))}");
        terminal.Print();
        bool unsure = report.Uncertainty is not null;
        terminal.Print(
            ["layer", "parameters", "bits", "sensitivity", .. unsure ? ["other bits within error"] : Array.Empty<string>()],
            table.Layers.Select((layer, i) => (string[])
            [
                layer.Name,
                Format.Count(layer.Parameters),
                $"{report.Plan.Bits[i]}{(layer.Fixed is null ? "" : " (fixed)")}",
                layer.SensitivityAt(report.Plan.Bits[i]) is { } sensitivity ? Format.Number(sensitivity) : "-",
                .. unsure ? [Format.Percent(report.Uncertainty!.Layers[i].Flips)] : Array.Empty<string>(),
            ]));
        terminal.Print();
        bool bops = report.Plan.Bops is not null, latency = report.Plan.LatencyMs is not null;
        terminal.Print(
            ["plan", "objective", "bytes", "bits a weight", .. bops ? ["bit operations"] : Array.Empty<string>(), .. latency ? ["ms"] : Array.Empty<string>(), "within limits"],
            report.Others.Prepend((report.Request.Search, report.Plan)).Select(other => (string[])
            [
                other.Item1,
                Format.Number(other.Item2.Objective),
                Format.Count((long)Math.Ceiling(other.Item2.SizeBytes)),
                Format.Number(other.Item2.AverageBits),
                .. bops ? [Format.Number(other.Item2.Bops!.Value)] : Array.Empty<string>(),
                .. latency ? [other.Item2.LatencyMs is { } ms ? Format.Number(ms) : "-"] : Array.Empty<string>(),
                report.Keeps(other.Item2) ? "yes" : "no",
            ]));
        terminal.Print();
        terminal.Print($"Pareto frontier under {report.Frontier.CostKind.ToString().ToLowerInvariant()}: {Format.Count(report.Frontier.Count, "plan")}, {Format.Count(report.Frontier.ConvexHull().Count)} on its convex hull");
        if (report.Findings.Count > 0)
        {
            ReportText.Findings(terminal, report.Findings);
        }

        if (report.Request.File is { } file)
        {
            terminal.Print($"plan: {Path.GetFullPath(file)}");
        }
    }
}
