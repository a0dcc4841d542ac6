using Curvature.Cli.Output;
using Curvature.Data;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>Takes layers to fewer bits, the least sensitive first, as long as the measured accuracy keeps a share of that in floating point.</summary>
internal sealed class AccuracySearch(
    SensitivityProblem problem, QuadraticModel? model, PlanTrial trial, Dataset samples, Dataset? test, Terminal terminal)
{
    /// <summary>What the search is called beside those of <see cref="KnownPlanners"/>.</summary>
    public const string Name = "bisection";

    private Dictionary<string, int> _fixed = [];

    /// <summary>The plan, compared with those of its size.</summary>
    public PlanReport Run(PlanRequest request, LayerTable measured, string name, double share)
    {
        LayerTable table = WithFloat(measured);
        _fixed = table.Layers.Where(layer => layer.Fixed is not null).ToDictionary(layer => layer.Name, layer => layer.Fixed!.Value, StringComparer.Ordinal);
        double floating = AccuracyOf(null, samples), held = test is null ? 1 : AccuracyOf(null, test);
        var search = new AccuracyBisection { Levels = [QuantizedWeights.Unquantized, .. problem.Bits.OrderDescending()] };
        AccuracyPlan found = search.Search(
            Score(table),
            bits => AccuracyOf(With(bits), samples) / floating,
            share,
            test is null ? null : bits => AccuracyOf(With(bits), test) / held,
            terminal.Cancellation);
        BitPlan plan = new PlanningProblem(table).Evaluate(With(found.Bits));
        PlanReport report = PlanRun.Plan(request with { Limits = [Limit.AtMost(PlanCost.Size, (decimal)plan.SizeBytes)] }, table, name, terminal, (Name, plan));
        return report with { Findings = [.. report.Findings, .. Findings(found, share)] };
    }

    /// <summary>Layers' sensitivities at a width; with the terms between layers where the sensitivity has them.</summary>
    private Func<int, IReadOnlyList<(string Layer, double Score)>> Score(LayerTable table) => bits =>
        [.. (model is null ? table.Layers.Select(layer => (layer.Name, layer.SensitivityAt(bits)!.Value)) : InterLayerScore.Of(table, model, bits)).Where(layer => !_fixed.ContainsKey(layer.Item1))];

    private double AccuracyOf(Dictionary<string, int>? bits, Dataset data) => trial.Of(bits, data).Accuracy!.Value is var accuracy && (bits is not null || accuracy > 0)
        ? accuracy
        : throw new CurvatureException("In floating point no answer is right, so there is no accuracy to keep. Check data and targets.");

    private Dictionary<string, int> With(IReadOnlyDictionary<string, int> bits) => bits.Concat(_fixed).ToDictionary(StringComparer.Ordinal);

    /// <summary>The table with floating point as one more width, which costs nothing.</summary>
    private static LayerTable WithFloat(LayerTable table) => table with
    {
        Bits = [.. table.Bits, QuantizedWeights.Unquantized],
        Layers = [.. table.Layers.Select(layer => layer with { Error = Zero(layer.Error), Sensitivity = Zero(layer.Sensitivity), SensitivityStandardError = Zero(layer.SensitivityStandardError) })],
    };

    private static Dictionary<int, double>? Zero(IReadOnlyDictionary<int, double>? values) =>
        values is null ? null : new(values) { [QuantizedWeights.Unquantized] = 0 };

    private static IEnumerable<Finding> Findings(AccuracyPlan found, double share)
    {
        yield return Finding.Of(
            "accuracy-bound",
            Severity.Info,
            $"{string.Join(", ", found.Levels.Select(level => $"{level.Layers} of {Format.Count(level.Candidates, "layer")} down to {level.Bits} bits"))}: as far as {Format.Percent(share)} of the accuracy in floating point are kept, by {Format.Count(found.Evaluations, "evaluation")}.",
            ("share", share),
            ("evaluations", found.Evaluations));
        foreach (string violation in found.Levels.SelectMany(level => level.Violations))
        {
            yield return Finding.Of("not-monotone", Severity.Warning, violation);
        }
    }
}
