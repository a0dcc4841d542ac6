using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>The numbers of a plan to read first, and what they mean.</summary>
internal static class PlanHeadlines
{
    private const int FloatBits = 32;

    public static IEnumerable<Headline> Of(PlanReport report)
    {
        BitPlan plan = report.Plan;
        double share = plan.AverageBits / FloatBits;
        yield return new("Bits of a weight", NumberText.Of(plan.AverageBits, 3), $"{PlanContent.Bytes(plan.SizeBits)} of weights, {NumberText.Percent(share)} of their size in float32, unpadded and without scales.");
        if (report.Measured is { } measured)
        {
            yield return Accuracy(measured);
            yield return Increase(measured);
            if (measured.Ranks.Where(rank => rank.Tau.Count >= PlanContent.FewestRanked).Select(rank => ((int, KendallTau)?)rank).MinBy(rank => rank!.Value.Item1) is (var bits, var tau))
            {
                yield return new("Rank correlation", double.IsFinite(tau.Value) ? NumberText.Of(tau.Value, 2) : "none", $"Kendall's tau between the sensitivity and the measured increase at {bits} bits, over {NumberText.Of(tau.Count, "layer")}.");
            }
        }
        else
        {
            yield return new("Objective", NumberText.Of(plan.Objective), "Sum of the layers' sensitivities at their bits.");
        }

        if (plan.Bops is { } bops)
        {
            yield return new("Bit operations", PlanContent.Operations(bops), report.Measured?.Inputs is { } inputs
                ? $"Of one sample, with {inputs.Text} for a layer's input."
                : "Of one sample, with as many bits for a layer's input as for its weight unless the table says otherwise.");
        }

        if (plan.LatencyMs is { } latency)
        {
            yield return new("Latency", $"{NumberText.Of(latency, 3)} ms", "The sum of the table's latencies.");
        }
    }

    private static Headline Accuracy(PlanMeasurement measured)
    {
        (NetworkQuality before, NetworkQuality after) = (measured.Baseline.Best, measured.Plans[0].Best);
        string on = $"{measured.TestName ?? measured.DataName} with quantized weights{(measured.Inputs is null ? "" : " and inputs of layers")}";
        return after.Accuracy is { } accuracy
            ? new("Accuracy", NumberText.Percent(accuracy), $"Measured on {on}; {NumberText.Percent(before.Accuracy!.Value)} in floating point.")
            : new("Loss", NumberText.Of(after.Loss), $"Measured on {on}; {NumberText.Of(before.Loss)} in floating point.");
    }

    private static Headline Increase(PlanMeasurement measured)
    {
        double rise = measured.Plans[0].Data.Loss - measured.Baseline.Data.Loss;
        return new("Rise of the loss", NumberText.Of(rise, 3), measured.Predicted is { } predicted
            ? $"Measured on {measured.DataName}; the sensitivities foretold {NumberText.Of(predicted, 3)}{(measured.Inputs is null ? "" : " of the weights alone")}."
            : $"Measured on {measured.DataName}; the sensitivity '{measured.Sensitivity}' only ranks, and foretells none.");
    }
}
