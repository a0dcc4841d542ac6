using Curvature.Estimators;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>Puts a bit-width plan into words, tables and figures.</summary>
public static class PlanContent
{
    /// <summary>The content of the page; what was not measured is left out.</summary>
    public static ReportContent Of(PlanReport report) => new()
    {
        Kind = "Bit-width plan",
        Title = report.Name,
        Lead = $"Bits for {NumberText.Of(report.Plan.Bits.Count, "layer")} with {NumberText.Of(report.Problem.Table.Layers.Sum(layer => layer.Parameters), "weight")} {(report.Kept is { } kept ? $"that keep {NumberText.Percent(kept)} of the accuracy in floating point" : $"within {string.Join(", ", report.Limits.Select(limit => limit.Text))}")}" +
            (report.Measured is { } measured ? $", by the sensitivity '{measured.Sensitivity}' of the {measured.LossName} loss on {measured.DataName}." : "."),
        Headlines = [.. PlanHeadlines.Of(report)],
        Findings = report.Findings,
        Sections = [.. Sections(report)],
        Command = report.Command,
        Environment = report.Environment,
        JsonName = "plan.json",
    };

    /// <summary>With fewer layers their order tells nothing: of three each order comes one time in six by chance.</summary>
    internal const int FewestRanked = 4;

    /// <summary>A size in bytes as people read it.</summary>
    internal static string Bytes(double bits) => (bits / 8) switch
    {
        >= 1e6 and var bytes => $"{NumberText.Of(bytes / 1e6)} MB",
        >= 1e3 and var bytes => $"{NumberText.Of(bytes / 1e3)} kB",
        var bytes => $"{NumberText.Of((long)Math.Ceiling(bytes))} bytes",
    };

    /// <summary>Bit operations as limits on them are written.</summary>
    internal static string Operations(double bops) => CostText.Of(PlanCost.Bops, bops).Replace(' ', '\u00A0');

    private static IEnumerable<ReportSection> Sections(PlanReport report)
    {
        yield return new ReportSection("Bits", [.. Bits(report)]);
        if (report.Measured is { } measured)
        {
            yield return new ReportSection("Accuracy", [.. Accuracy(measured, report.Findings.Any(finding => finding.Id == "test-chose"))]);
        }

        yield return new ReportSection("Pareto frontier", [.. Frontier(report)]);
        yield return new ReportSection("Sensitivities", [.. Sensitivities(report)]);
    }

    private static IEnumerable<ReportBlock> Bits(PlanReport report)
    {
        LayerTable table = report.Problem.Table;
        yield return new ReportFigure(
            new BitsFigure(table, report.Plan),
            "What each layer's weight gets." + (table.Layers.Any(layer => layer.Fixed is not null) ? " Pale bars are fixed." : "") + (report.Measured is null ? "" : $" Biases and norms stay in floating point{(report.Measured.Inputs is { } inputs ? $"; layers' inputs get {inputs.Text}" : ", and so do activations")}."));
        yield return Table(
            "Bits by layer, in the order of the model",
            ["layer:", "weights", "MACs", "group:", "bits", "bits of the input", "sensitivity", "flips within error", "measured increase"],
            table.Layers.Select((layer, i) => (string[])
            [
                layer.Name,
                NumberText.Of(layer.Parameters),
                layer.Macs is { } macs ? NumberText.Of(macs) : "",
                layer.Group ?? "",
                $"{report.Plan.Bits[i]}{(layer.Fixed is null ? "" : " (fixed)")}",
                report.Measured?.Inputs?.Bits.TryGetValue(layer.Name, out int input) == true ? NumberText.Of(input) : "",
                WithError(layer, report.Plan.Bits[i]),
                report.Uncertainty is { } uncertainty ? NumberText.Percent(uncertainty.Layers[i].Flips) : "",
                report.Measured is { } measured ? WithError(measured.Increases.Layers[i], report.Plan.Bits[i]) : "",
            ]));
    }

    /// <summary>A sensitivity with its standard error; nothing where there is none.</summary>
    private static string WithError(TableLayer layer, int bits) => layer.SensitivityAt(bits) is not { } sensitivity ? ""
        : layer.StandardErrorAt(bits) is > 0 and var error ? NumberText.Of(new Estimate(sensitivity, error, 0, 0)) : NumberText.Of(sensitivity, 3);

    private static IEnumerable<ReportBlock> Accuracy(PlanMeasurement measured, bool testChose)
    {
        yield return new Paragraph(
            "Measured with simulated quantization of the weights: each holds the values of its grid, computed in floating point. " +
            (measured.Inputs is { } inputs ? $"Layers' inputs are quantized to {inputs.Text}, in ranges seen on {NumberText.Of(measured.Samples, "sample")}." : "Activations are not quantized here.") +
            (measured.TestName is null ? $" All numbers are on {measured.DataName}, of which {NumberText.Of(measured.Samples, "sample")} gave the sensitivities; held-out ones (--test) say more." : $" The figure is on {measured.TestName}, which the sensitivities have not seen{(testChose ? ", but which took part in the choice of the plan" : "")}."));
        yield return new ReportFigure(new PlanQualityFigure(measured), "The plan beside others, over the bits of a weight on average; the dotted line is floating point.");
        yield return Table(
            "Loss and accuracy",
            ["weights:", "bits a weight", "size", "loss", "accuracy", "test loss", "test accuracy"],
            measured.Plans.Prepend(measured.Baseline).Select(plan => (string[])
            [
                plan.Name,
                plan.Plan is { } bits ? NumberText.Of(bits.AverageBits, 3) : "",
                plan.Plan is { } size ? Bytes(size.SizeBits) : "",
                .. Numbers(plan.Data),
                .. plan.Test is { } test ? Numbers(test) : ["", ""],
            ]));
    }

    private static string[] Numbers(NetworkQuality quality) => [NumberText.Of(quality.Loss), quality.Accuracy is { } accuracy ? NumberText.Percent(accuracy) : ""];

    private static IEnumerable<ReportBlock> Frontier(PlanReport report)
    {
        yield return new ReportFigure(
            new ParetoFigure(report.Frontier, report.Plan, report.Others, report.Limits[0].MostOf(report.Problem)),
            $"No plan lies below the line. It has {NumberText.Of(report.Frontier.Count, "plan")}, {NumberText.Of(report.Frontier.ConvexHull().Count)} of them on its convex hull; the dotted line is {(report.Kept is null ? $"the limit '{report.Limits[0].Text}'" : "the plan's size")}.");
        yield return Table(
            "Plans",
            ["plan:", "objective", "with terms between layers", "size", "bits a weight", "bit operations", "latency, ms", report.Kept is null ? "within limits:" : "no larger:"],
            report.Others.Prepend((report.Search, report.Plan)).Select(other => (string[])
            [
                other.Item1,
                NumberText.Of(other.Item2.Objective, 4),
                report.WithTerms(other.Item2) is { } joint ? NumberText.Of(joint, 4) : "",
                Bytes(other.Item2.SizeBits),
                NumberText.Of(other.Item2.AverageBits, 3),
                other.Item2.Bops is { } bops ? Operations(bops) : "",
                other.Item2.LatencyMs is { } latency ? NumberText.Of(latency, 4) : "",
                report.Keeps(other.Item2) ? "yes" : "no",
            ]));
    }

    private static IEnumerable<ReportBlock> Sensitivities(PlanReport report)
    {
        LayerTable table = report.Problem.Table;
        bool errors = table.Layers.Any(layer => table.Bits.Any(bits => layer.StandardErrorAt(bits) > 0));
        yield return new ReportFigure(
            new SensitivityFigure(table),
            "What quantizing a layer to each width is held to cost." + (errors ? " Bars reach 1.96 standard errors to both sides." : report.Measured is null ? " The table gives no standard errors." : " These numbers have no sampling error."));
        if (report.Measured is not { } measured)
        {
            yield break;
        }

        if (measured.Ranks.Any(rank => rank.Tau.Count >= FewestRanked))
        {
            yield return new Paragraph(
                $"How far '{measured.Sensitivity}' can be trusted: Kendall's tau compares how it ranks the layers with how the measured loss does, one layer quantized at a time on " +
                $"{NumberText.Of(measured.Samples, "sample")}. 1 is the same order, 0 none; lists that have nothing to do with each other scatter by the number in the last column.");
            yield return Table(
                "Rank correlation with the measured increase of the loss",
                ["bits", "Kendall's tau", "layers", "by chance ±"],
                measured.Ranks.Select(rank => (string[])[NumberText.Of(rank.Bits), double.IsFinite(rank.Tau.Value) ? NumberText.Of(rank.Tau.Value, 3) : "all tied", NumberText.Of(rank.Tau.Count), NumberText.Of(rank.Tau.Chance, 2)]));
        }

        yield return Table(
            measured.OrderedByOmega ? "Order of fine-tuning by Ω = λ |Q(W) − W|² (HAWQ), the first layer first" : "Order of fine-tuning by sensitivity at the plan's bits, the first layer first",
            ["layer:", measured.OrderedByOmega ? "Ω" : "sensitivity"],
            measured.FineTuning.Select(layer => (string[])[layer.Layer, NumberText.Of(layer.Value, 3)]));
        if (measured.Inputs is { Table: { } activations, Plan: { } plan } inputs)
        {
            yield return new Paragraph(
                $"Bits of layers' inputs are a plan of their own within {string.Join(", ", inputs.Limits.Select(limit => limit.Text))}, by the average trace of the loss's Hessian in the input times its squared error (HAWQ-V2), on {NumberText.Of(measured.Samples, "sample")}. " +
                $"An input's size is that of one sample's; together they take {Bytes(plan.SizeBits)}, {NumberText.Of(plan.AverageBits, 3)} bits a value.");
            yield return Table(
                "Sensitivities of layers' inputs",
                ["layer:", "values a sample", "bits", "average trace", .. activations.Bits.Order().Select(bits => $"sensitivity at {bits} bits")],
                activations.Layers.Select((layer, i) => (string[])
                [
                    layer.Name,
                    NumberText.Of(layer.Parameters),
                    NumberText.Of(plan.Bits[i]),
                    layer.AverageTrace is { } trace ? layer.TraceStandardError is { } error ? NumberText.Of(new Estimate(trace, error, 0, 0)) : NumberText.Of(trace, 3) : "",
                    .. activations.Bits.Order().Select(bits => WithError(layer, bits)),
                ]));
        }
    }

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
