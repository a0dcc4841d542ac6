using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Output;

/// <summary><c>plan.json</c>.</summary>
internal static class PlanJson
{
    private const int MostPoints = 1000;

    /// <summary>
    /// The plan's <c>assignment</c>, <c>objective</c> and costs; the plans it is compared with; how sure its choices are; the Pareto frontier under the first limit's cost, at most
    /// 1,000 points with all of the convex hull, each with the bits of its layers in the assignment's order; and of a network what was measured of its layers and of plans.
    /// </summary>
    public static string Write(PlanReport report) => Of(report).Write(report.Findings);

    /// <summary>The plan's findings and, where a number is not finite and none of them says so, one that does.</summary>
    public static IReadOnlyList<Finding> Findings(PlanReport report) => Of(report).Findings(report.Findings);

    private static JsonReport Of(PlanReport report)
    {
        IReadOnlyList<int> points = report.Frontier.Sample(MostPoints);
        var hull = report.Frontier.ConvexHull().ToHashSet();
        JsonReport json = new JsonReport(report.Environment).Add("assignment", report.Plan.Assignment.Select(pair => KeyValuePair.Create(pair.Key, (object?)pair.Value)));
        foreach ((string name, object? value) in Numbers(report.Plan))
        {
            json.Add(name, value);
        }

        json.Add("others", report.Others.Select(other => Numbers(other.Plan).Prepend(new("plan", other.Name)).Append(new("within_limits", report.Keeps(other.Plan))).Concat(WithTerms(report, other.Plan))))
            .Add("uncertainty", Uncertainty(report.Uncertainty))
            .Add("frontier_cost", report.Frontier.CostKind)
            .Add("frontier_points", report.Frontier.Count)
            .Add("frontier", points.Zip(report.Frontier.Plans(points), (point, plan) =>
                Numbers(plan).Append(new("hull", hull.Contains(point))).Append(new("bits", string.Join(' ', plan.Bits)))));
        if (report.Measured is { } measured)
        {
            json.Add("command", report.Command)
                .Add("loss_function", measured.LossName)
                .Add("sensitivity", measured.Sensitivity)
                .Add("activation_bits", measured.Inputs?.Common)
                .Add("activations", measured.Inputs is { } inputs ? Activations(inputs) : null)
                .Add("predicted_increase", measured.Predicted)
                .Add("measured", measured.Plans.Prepend(measured.Baseline).Select(Quality))
                .Add("rank_correlation", measured.Ranks.Select(rank => new Dictionary<string, object?> { ["bits"] = rank.Bits, ["kendall_tau"] = Finite(rank.Tau.Value), ["layers"] = rank.Tau.Count, ["by_chance"] = rank.Tau.Chance }))
                .Add("fine_tuning_order", measured.FineTuning.Select(layer => layer.Layer))
                .Add("layers", report.Problem.Table.Layers.Select((layer, i) => Layer(report, measured, layer, i)));
        }

        return json;
    }

    /// <summary>Loss and accuracy by name.</summary>
    public static IEnumerable<KeyValuePair<string, object?>> Quality(NetworkQuality data, NetworkQuality? test)
    {
        yield return new("loss", data.Loss);
        yield return new("accuracy", data.Accuracy);
        if (test is not null)
        {
            yield return new("test_loss", test.Loss);
            yield return new("test_accuracy", test.Accuracy);
        }
    }

    private static IEnumerable<KeyValuePair<string, object?>> Quality(PlanQuality plan) =>
        Quality(plan.Data, plan.Test).Prepend(new("average_bits", plan.Plan?.AverageBits)).Prepend(new("plan", plan.Name));

    private static Dictionary<string, object?> Layer(PlanReport report, PlanMeasurement measured, TableLayer layer, int index)
    {
        int[] widths = [.. report.Problem.Table.Bits.Order()];
        return new()
        {
            ["name"] = layer.Name,
            ["parameters"] = layer.Parameters,
            ["macs"] = layer.Macs,
            ["group"] = layer.Group,
            ["fixed"] = layer.Fixed,
            ["bits"] = report.Plan.Bits[index],
            ["average_trace"] = layer.AverageTrace,
            ["error"] = layer.Error is null ? null : ByBits(bits => layer.Error[bits]),
            ["sensitivity"] = ByBits(bits => layer.SensitivityAt(bits)),
            ["standard_error"] = ByBits(bits => layer.StandardErrorAt(bits)),
            ["measured_increase"] = ByBits(bits => measured.Increases.Layers[index].SensitivityAt(bits)),
            ["measured_standard_error"] = measured.Increases.Layers[index].SensitivityStandardError is null ? null : ByBits(bits => measured.Increases.Layers[index].StandardErrorAt(bits)),
        };

        IEnumerable<KeyValuePair<string, object?>> ByBits(Func<int, double?> value) => widths.Select(bits => KeyValuePair.Create($"{bits}", (object?)value(bits)));
    }

    /// <summary>Bits of inputs, and where they are a plan what it was made of.</summary>
    private static IEnumerable<KeyValuePair<string, object?>> Activations(PlanInputs inputs)
    {
        yield return new("assignment", inputs.Bits.Select(layer => KeyValuePair.Create(layer.Key, (object?)layer.Value)));
        if (inputs is not { Table: { } table, Plan: { } plan })
        {
            yield break;
        }

        yield return new("objective", plan.Objective);
        yield return new("size_bytes", plan.SizeBytes);
        yield return new("average_bits", plan.AverageBits);
        yield return new("limits", inputs.Limits.Select(limit => limit.Text));
        yield return new("layers", table.Layers.Select((layer, i) => new Dictionary<string, object?>
        {
            ["name"] = layer.Name,
            ["values"] = layer.Parameters,
            ["bits"] = plan.Bits[i],
            ["average_trace"] = layer.AverageTrace,
            ["trace_standard_error"] = layer.TraceStandardError,
            ["error"] = ByBits(bits => layer.Error![bits]),
            ["sensitivity"] = ByBits(bits => layer.SensitivityAt(bits)),
        }));

        IEnumerable<KeyValuePair<string, object?>> ByBits(Func<int, double?> value) => table.Bits.Order().Select(bits => KeyValuePair.Create($"{bits}", (object?)value(bits)));
    }

    /// <summary>A correlation of lists that are all ties is none, and no fault.</summary>
    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private static IEnumerable<KeyValuePair<string, object?>> Numbers(BitPlan plan) =>
    [
        new("objective", plan.Objective),
        new("size_bytes", plan.SizeBytes),
        new("average_bits", plan.AverageBits),
        new("bops", plan.Bops),
        new("latency_ms", plan.LatencyMs),
    ];

    /// <summary>What the loss rises by with the terms between layers, where they are known; that of the plan itself is <c>predicted_increase</c>.</summary>
    private static IEnumerable<KeyValuePair<string, object?>> WithTerms(PlanReport report, BitPlan plan) => report.Terms is null ? [] : [new("increase_with_terms", report.WithTerms(plan))];

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
