using Curvature.Cli.Output;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>Takes layers to fewer bits, the least sensitive first, or goes down the Pareto frontier of sizes, as long as the measured accuracy keeps a share of that in floating point.</summary>
internal sealed class AccuracySearch(
    SensitivityProblem problem, QuadraticModel? model, PlanTrial trial, SampleSet samples, SampleSet? test, Terminal terminal)
{
    /// <summary>What the search is called beside those of <see cref="KnownPlanners"/>.</summary>
    public const string Name = "bisection";

    /// <summary>What the search along the frontier of sizes is called.</summary>
    public const string Frontier = "frontier";

    private Dictionary<string, int> _fixed = [];

    /// <summary>The plan, compared with those of its size.</summary>
    public PlanReport Run(PlanRequest request, LayerTable measured, string name, double share)
    {
        LayerTable table = WithFloat(measured);
        _fixed = table.Layers.Where(layer => layer.Fixed is not null).ToDictionary(layer => layer.Name, layer => layer.Fixed!.Value, StringComparer.Ordinal);
        double floating = AccuracyOf(null, samples), held = test is null ? 1 : AccuracyOf(null, test);
        double start = AccuracyOf(With(table.Layers.Where(layer => layer.Fixed is null).ToDictionary(layer => layer.Name, _ => QuantizedWeights.Unquantized, StringComparer.Ordinal)), samples) / floating;
        if (start < share)
        {
            throw new CurvatureException($"--accuracy {Format.Percent(share)}: {Format.Percent(start)} of the accuracy in floating point are kept with no layer's weight quantized but those that are fixed, inputs as asked for. Lower --accuracy, or leave more bits to fixed layers and inputs.");
        }

        Func<IReadOnlyDictionary<string, int>, double> accuracy = bits => IsStart(bits) ? start : AccuracyOf(bits, samples) / floating;
        Func<IReadOnlyDictionary<string, int>, double>? check = test is null ? null : bits => AccuracyOf(bits, test) / held;
        bool along = request.Search == Frontier || table.Layers.Any(layer => layer.Group is not null); // layers of a group cannot be taken down one by one
        (BitPlan plan, Finding[] findings) = along ? Along(table, accuracy, check, share) : Down(table, accuracy, check, share);
        PlanReport report = PlanRun.Plan(request with { Limits = [Limit.AtMost(PlanCost.Size, (decimal)plan.SizeBytes)] }, table, name, terminal, (along ? Frontier : Name, plan));
        Finding[] seen = test is null ? [] : [Finding.Of("test-chose", Severity.Info, "The held-out samples (--test) checked the accuracy that is kept, and so took part in the choice of the plan: their accuracy under it is no longer that of samples which planning has not seen.")];
        return report with { Kept = share, Findings = [.. report.Findings, .. findings, .. seen] };
    }

    private (BitPlan Plan, Finding[] Findings) Down(LayerTable table, Func<IReadOnlyDictionary<string, int>, double> accuracy, Func<IReadOnlyDictionary<string, int>, double>? check, double share)
    {
        var search = new AccuracyBisection { Levels = [QuantizedWeights.Unquantized, .. problem.Bits.OrderDescending()] };
        AccuracyPlan found = search.Search(Score(table), bits => accuracy(With(bits)), share, check is null ? null : bits => check(With(bits)), terminal.Cancellation);
        string levels = string.Join(", ", found.Levels.Select(level => $"{level.Layers} of {Format.Count(level.Candidates, "layer")} down to {level.Bits} bits"));
        return (new PlanningProblem(table).Evaluate(With(found.Bits)), [.. Findings(levels, found.Evaluations, found.Levels.SelectMany(level => level.Violations), share)]);
    }

    private (BitPlan Plan, Finding[] Findings) Along(LayerTable table, Func<IReadOnlyDictionary<string, int>, double> accuracy, Func<IReadOnlyDictionary<string, int>, double>? check, double share)
    {
        var frontier = ParetoFrontier.Of(new PlanningProblem(Falling(table)), PlanCost.Size, terminal.Cancellation);
        FrontierPlan found = FrontierBisection.Search(frontier, plan => accuracy(plan.Assignment), share, check is null ? null : plan => check(plan.Assignment), terminal.Cancellation);
        string point = $"point {Format.Count(found.Point + 1)} of the {Format.Count(frontier.Count)} of the frontier, in the order of size";
        return (new PlanningProblem(table).Evaluate(found.Plan.Assignment), [.. Findings(point, found.Accuracies.Count, found.Violations, share)]);
    }

    /// <summary>The end of a sensitivity's 95 % interval: what is not known does not count as little, and least of all where chance has made it negative.</summary>
    internal static double? AtMost(TableLayer layer, int bits) => layer.SensitivityAt(bits) + (1.96 * layer.StandardErrorAt(bits));

    /// <summary>Layers' sensitivities at a width, as large as they may be; with the terms between layers where the sensitivity has them.</summary>
    private Func<int, IReadOnlyList<(string Layer, double Score)>> Score(LayerTable table) => bits =>
        [.. (model is null ? table.Layers.Select(layer => (layer.Name, AtMost(layer, bits)!.Value)) : InterLayerScore.Of(table, model, bits)).Where(layer => !_fixed.ContainsKey(layer.Item1))];

    private double AccuracyOf(IReadOnlyDictionary<string, int>? bits, SampleSet data) => trial.Of(bits, data).Accuracy!.Value is var accuracy && (bits is not null || accuracy > 0)
        ? accuracy
        : throw new CurvatureException("In floating point no answer is right, so there is no accuracy to keep. Check data and targets.");

    private bool IsStart(IReadOnlyDictionary<string, int> bits) => bits.All(layer => layer.Value == (_fixed.TryGetValue(layer.Key, out int width) ? width : QuantizedWeights.Unquantized));

    private Dictionary<string, int> With(IReadOnlyDictionary<string, int> bits) => bits.Concat(_fixed).ToDictionary(StringComparer.Ordinal);

    /// <summary>The table with floating point as one more width, which costs nothing.</summary>
    private static LayerTable WithFloat(LayerTable table) => table with
    {
        Bits = [.. table.Bits, QuantizedWeights.Unquantized],
        Layers = [.. table.Layers.Select(layer => layer with { Error = Zero(layer.Error), Sensitivity = Zero(layer.Sensitivity), SensitivityStandardError = Zero(layer.SensitivityStandardError) })],
    };

    /// <summary>
    /// A table of sensitivities above 0, which estimates of small or negative traces need not be. A layer that has one at or below 0 gets the ends of the 95 % intervals at all its widths, so that these are compared alike; where that is not above 0, a tiny one, and
    /// where it is not below a narrower width's, a quarter of that for each bit more, as errors of rounding go. To a frontier more bits are no gain otherwise, and floating point, which costs 0, would be none of its points.
    /// </summary>
    internal static LayerTable Falling(LayerTable table)
    {
        double most = table.Layers.Max(layer => table.Bits.Max(bits => layer.SensitivityAt(bits) ?? 0)), tiny = 1e-6 * (most > 0 ? most : 1);
        return table with
        {
            Layers = [.. table.Layers.Select(layer => layer with
            {
                Sensitivity = Costs(layer, [.. table.Bits.Where(bits => layer.SensitivityAt(bits) is not null).Order()], tiny),
                SensitivityStandardError = null,
                TraceStandardError = null,
            })],
        };
    }

    private static Dictionary<int, double> Costs(TableLayer layer, int[] rising, double tiny)
    {
        bool sure = rising.All(bits => bits == QuantizedWeights.Unquantized || layer.SensitivityAt(bits) > 0);
        Dictionary<int, double> costs = [];
        (int Bits, double Cost) narrower = (0, double.PositiveInfinity);
        foreach (int bits in rising)
        {
            double most = AtMost(layer, bits) is > 0 and var end ? end : tiny * Math.Pow(4, -bits);
            double cost = sure ? layer.SensitivityAt(bits)!.Value : most < narrower.Cost ? most : narrower.Cost * Math.Pow(4, narrower.Bits - bits);
            costs[bits] = bits == QuantizedWeights.Unquantized ? 0 : cost;
            narrower = (bits, cost);
        }

        return costs;
    }

    private static Dictionary<int, double>? Zero(IReadOnlyDictionary<int, double>? values) =>
        values is null ? null : new(values) { [QuantizedWeights.Unquantized] = 0 };

    private static IEnumerable<Finding> Findings(string found, int evaluations, IEnumerable<string> violations, double share)
    {
        yield return Finding.Of(
            "accuracy-bound",
            Severity.Info,
            $"{char.ToUpperInvariant(found[0])}{found[1..]}: as far as {Format.Percent(share)} of the accuracy in floating point are kept, by {Format.Count(evaluations, "evaluation")}.",
            ("share", share),
            ("evaluations", evaluations));
        foreach (string violation in violations)
        {
            yield return Finding.Of("not-monotone", Severity.Warning, violation);
        }
    }
}
