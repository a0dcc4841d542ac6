using Curvature.Cli.Work;
using Curvature.Quant.Planning;
using Curvature.Viz.Report;

namespace Curvature.Cli.Output;

/// <summary><c>plan.json</c>.</summary>
internal static class PlanJson
{
    private const int MostPoints = 1000;

    /// <summary>
    /// The plan's <c>assignment</c>, <c>objective</c> and costs; the plans it is compared with; how sure its choices are; and the Pareto frontier under the first limit's cost, at most
    /// 1,000 points with all of the convex hull, each with the bits of its layers in the assignment's order.
    /// </summary>
    public static string Write(PlanReport report)
    {
        IReadOnlyList<int> points = report.Frontier.Sample(MostPoints);
        var hull = report.Frontier.ConvexHull().ToHashSet();
        JsonReport json = new JsonReport(report.Environment).Add("assignment", report.Plan.Assignment.Select(pair => KeyValuePair.Create(pair.Key, (object?)pair.Value)));
        foreach ((string name, object? value) in Numbers(report.Plan))
        {
            json.Add(name, value);
        }

        return json
            .Add("others", report.Others.Select(other => Numbers(other.Plan).Prepend(new("plan", other.Name)).Append(new("within_limits", report.Keeps(other.Plan)))))
            .Add("uncertainty", Uncertainty(report.Uncertainty))
            .Add("frontier_cost", report.Frontier.CostKind)
            .Add("frontier_points", report.Frontier.Count)
            .Add("frontier", points.Zip(report.Frontier.Plans(points), (point, plan) =>
                Numbers(plan).Append(new("hull", hull.Contains(point))).Append(new("bits", string.Join(' ', plan.Bits)))))
            .Write(report.Findings);
    }

    private static IEnumerable<KeyValuePair<string, object?>> Numbers(BitPlan plan) =>
    [
        new("objective", plan.Objective),
        new("size_bytes", plan.SizeBytes),
        new("average_bits", plan.AverageBits),
        new("bops", plan.Bops),
        new("latency_ms", plan.LatencyMs),
    ];

    private static Dictionary<string, object?>? Uncertainty(ChoiceUncertainty? uncertainty) => uncertainty is null ? null : new()
    {
        ["draws"] = uncertainty.Draws,
        ["mean_regret"] = uncertainty.MeanRegret,
        ["layers"] = uncertainty.Layers.Select(layer => new Dictionary<string, object?>
        {
            ["name"] = layer.Name,
            ["bits"] = layer.Bits,
            ["flips"] = layer.Flips,
            ["shares"] = layer.Shares.OrderBy(share => share.Key).Select(share => KeyValuePair.Create($"{share.Key}", (object?)share.Value)),
        }),
    };
}
