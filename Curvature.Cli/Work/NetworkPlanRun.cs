using Curvature.Cli.Output;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>Measures sensitivities on a network, plans, and measures loss and accuracy under the plan, under one width throughout and in floating point.</summary>
internal sealed class NetworkPlanRun
{
    /// <summary>The search that takes the terms between layers into account, beside those of <see cref="KnownPlanners"/>.</summary>
    public const string Pairwise = "pairwise";

    private const string ThisPlan = "this plan";

    private const int UsualSamples = 1024;

    private static readonly int[] UsualBits = [2, 4, 8];

    private readonly PlanRequest _request;
    private readonly NetworkPlanRequest _of;
    private readonly Terminal _terminal;
    private readonly Workspace _work;
    private readonly SampleSet _samples;
    private readonly SampleSet? _test;
    private readonly QuantizableNetwork _network;
    private readonly LayerTable? _costs;
    private PlanInputs? _inputs;

    private NetworkPlanRun(PlanRequest request, NetworkPlanRequest of, Workspace work, SampleSet samples, SampleSet? test, LayerTable? costs, Terminal terminal)
    {
        (_request, _of, _work, _samples, _test, _costs, _terminal) = (request, of, work, samples, test, costs, terminal);
        using Dataset one = samples.One();
        _network = work.Named(() => QuantizableNetwork.Of(work.Model, one.Inputs));
    }

    private string Name => Path.GetFileName(_of.Work.Model);

    /// <summary>Does what the request says.</summary>
    public static PlanReport Run(PlanRequest request, NetworkPlanRequest of, EnvironmentReport environment, Terminal terminal)
    {
        IRanks ranks = Team.Join(of.Work.RankTimeout);
        LayerTable? costs = null;
        ranks.Together(() => costs = of.Layers is null ? null : LayerTable.ReadCosts(of.Layers));
        using var work = Workspace.Open(of.Work, ranks);
        using SampleSet samples = work.Data.Choose(Math.Min(of.Work.Samples ?? UsualSamples, work.Data.Count), of.Work.Seed);
        using SampleSet? test = of.Test is null ? null : work.Read(of.Test);
        environment.AddEngine(Blas.Measure());
        work.Describe(environment);
        environment.AddFile("test", of.Test);
        environment.AddFile("layers", of.Layers);
        PlanReport report = new NetworkPlanRun(request, of, work, samples, test, costs, terminal).Run(); // after the hashes, which the other ranks wait for
        environment.Add("samples", samples.Count);
        environment.Add("samples_available", work.Data.Count);
        environment.Add("sensitivity", of.Sensitivity);
        environment.Add("limits", report.Limits.Select(limit => limit.Text));
        environment.Add("search", report.Search);
        environment.Add("seconds", Math.Round(environment.Elapsed.TotalSeconds, 3));
        return report with { Environment = environment.Entries };
    }

    private PlanReport Run()
    {
        using var problem = new SensitivityProblem(_network, _work.Loss, _work.Share(_samples), _request.Bits ?? UsualBits, ranks: _work.Ranks);
        _work.Ranks.Together(() => Foresee(problem));
        using QuantizedActivations? activations = _of.Activations.Count == 0 ? null : _work.Named(() => QuantizedActivations.Calibrate(_network, _work.Share(_samples).Select(batch => batch.Inputs), ranks: _work.Ranks, cancellation: _terminal.Cancellation));
        if (activations is not null)
        {
            _inputs = _work.Named(() => new ActivationPlanning(_work, _network, _samples, _of, _costs, _terminal).Bits(activations));
            _work.Ranks.Together(() => Foresee(problem));
        }

        var trial = new PlanTrial(_work, _network, activations, _inputs?.Bits ?? new Dictionary<string, int>(), _terminal.Cancellation);
        ISensitivity sensitivity = KnownSensitivities.Create(_of.Sensitivity, new SensitivityOptions { Probes = _of.Probes, Seed = _of.Work.Seed });
        _terminal.Say($"Sensitivity '{_of.Sensitivity}' of {Format.Count(_network.Layers.Count, "layer")} on {Format.Count(_samples.Count, "sample")}.");
        QuadraticModel? model = sensitivity is QuadraticSensitivity quadratic ? Tracked(progress => quadratic.Model(problem, progress, _terminal.Cancellation)) : null;
        LayerTable measured = model is null ? Measure(sensitivity, problem) : QuadraticSensitivity.Table(problem, model);
        PlanReport report = _request.Accuracy is { } share
            ? _work.Named(() => new AccuracySearch(problem, model, trial, _work.Data, _test, _terminal).Run(_request, Complete(measured), Name, share))
            : Searched(Complete(measured), model);

        report = report with { Terms = model };
        _terminal.Say("Measured losses of single layers, and of whole plans.");
        bool same = sensitivity is MeasuredSensitivity;
        LayerTable increases = same ? measured : Measure(new MeasuredSensitivity(), problem);
        bool omega = sensitivity is TopEigenvalueSensitivity;
        (report, PlanQuality[] plans) = Verified(report, [Quality(trial, ThisPlan, report.Plan), .. report.Others.Where(other => IsTold(other, report)).Select(other => Quality(trial, other.Name, other.Plan))]);
        var measurement = new PlanMeasurement
        {
            DataName = _of.Work.DataName,
            TestName = _of.Test is null ? null : Path.GetFileName(_of.Test),
            LossName = _of.Work.Loss,
            Sensitivity = _of.Sensitivity,
            IncreaseFactor = sensitivity.IncreaseFactor,
            Samples = _samples.Count,
            Inputs = _inputs,
            Baseline = Quality(trial, "float", null),
            Predicted = model is not null && report.Plan.Bits.All(model.Knows) ? model.Increase(report.Plan.Bits) : sensitivity.IncreaseFactor * report.Plan.Objective,
            Plans = plans,
            Increases = increases,
            Ranks = same || _network.Layers.Count < 2 ? [] : [.. problem.Bits.Order().Select(bits => (bits, KendallTau.Between(measured, increases, bits)))],
            FineTuning = omega ? TopEigenvalueSensitivity.FineTuningOrder(measured, Widths(report.Plan, problem)) : Order(measured, report.Plan),
            OrderedByOmega = omega,
        };
        return report with
        {
            Measured = measurement,
            Command = _of.Work.CommandLine,
            Findings = [.. report.Findings.Concat(Findings(report, measurement)).OrderByDescending(finding => finding.Severity)],
        };
    }

    /// <summary>A plan within the limits; where the terms between layers are known, with them or beside one with them.</summary>
    private PlanReport Searched(LayerTable table, QuadraticModel? model)
    {
        if (model is null || table.Layers.Any(layer => layer.Fixed is { } bits && !model.Bits.Contains(bits)))
        {
            return PlanRun.Plan(_request, table, Name, _terminal);
        }

        BitPlan pairwise = new PairwisePlanner(model).Plan(new PlanningProblem(table), _request.Limits, _terminal.Cancellation);
        if (_request.Search == Pairwise)
        {
            return PlanRun.Plan(_request, table, Name, _terminal, (Pairwise, pairwise));
        }

        PlanReport report = PlanRun.Plan(_request, table, Name, _terminal);
        return report with { Others = [(Pairwise, pairwise), .. report.Others] };
    }

    /// <summary>
    /// The plan, unless another that keeps the limits is measurably the better on the data (never on the held-out samples, which only measure): then that one takes its place, and a finding says so.
    /// </summary>
    private (PlanReport Report, PlanQuality[] Plans) Verified(PlanReport report, PlanQuality[] plans)
    {
        PlanQuality[] within = [.. plans.Skip(1).Where(other => report.Keeps(other.Plan!))];
        if (_of.Unverified || _request.Accuracy is not null || PlanVerification.Better(plans[0].Data, [.. within.Select(other => other.Data)]) is not { } place)
        {
            return (report, plans);
        }

        PlanQuality better = within[place];
        Estimate gain = plans[0].Data.LossAbove(better.Data);
        Finding replaced = Finding.Of(
            "plan-replaced",
            Severity.Warning,
            $"The plan of the sensitivities ('{report.Search}') has a loss of {Format.Number(plans[0].Data.Loss)} on {_of.Work.DataName}; '{better.Name}' keeps the limits too and has {Format.Number(better.Data.Loss)}, which is lower by {Format.Number(gain.Value)} ± {Format.Error(gain.StandardError)}, more than chance makes it (95 %, {Format.Count(within.Length, "plan")} compared), and so it is the plan. --unverified keeps that of the sensitivities.",
            ("search", report.Search),
            ("loss", plans[0].Data.Loss),
            ("better_loss", better.Data.Loss),
            ("standard_error", gain.StandardError));
        return (
            report with
            {
                Plan = better.Plan!,
                Search = better.Name,
                Others = [(report.Search, report.Plan), .. report.Others.Where(other => other.Name != better.Name)],
                Uncertainty = null,
                Findings = [replaced, .. report.Findings.Where(finding => finding.Id != PlanRun.ChoicesFlip)], // those of choices that are no longer made
            },
            [better with { Name = ThisPlan }, plans[0] with { Name = report.Search }, .. plans.Skip(1).Where(other => other != better)]);
    }

    /// <summary>Finds out before long work whether some plan keeps the limits: by sizes and costs alone.</summary>
    private void Foresee(SensitivityProblem problem)
    {
        LayerTable bare = Complete(new LayerTable
        {
            Bits = problem.Bits,
            Layers = [.. _network.Layers.Select(layer => new TableLayer { Name = layer.Name, Parameters = layer.Parameters, Macs = layer.Macs, Sensitivity = problem.Bits.ToDictionary(bits => bits, _ => 0.0) })],
        });
        PlanDemands.Check(_request, _of, _work.Loss, bare);
        var sizes = new PlanningProblem(bare);
        if (_request.Limits.FirstOrDefault(limit => !sizes.Has(limit.Cost)) is { } limit)
        {
            string what = limit.Cost == PlanCost.Latency ? "latency_ms at every width" : "macs";
            string why = limit.Cost == PlanCost.Latency ? "nothing here measures latency"
                : _network.SeesModules ? "some layer is of a kind, or called in a way, that hides them" : "TorchScript does not show what its layers do";
            throw new CurvatureException($"{limit.Text}: it needs {what} of every layer, and {why}. Give them in a table (--layers FILE), or limit size or avg-bits.");
        }

        if (_request.Accuracy is null)
        {
            new GreedyPlanner().Plan(sizes, _request.Limits, _terminal.Cancellation);
        }
    }

    /// <summary>A table with the costs, groups and fixed layers that were given.</summary>
    private LayerTable Complete(LayerTable table)
    {
        LayerTable named = table with { Name = Name, Layers = [.. table.Layers.Select(layer => layer with { ActivationBits = InputBits(layer.Name) })] };
        return PlanRun.Chosen(_request, _costs is null ? named : named.WithCosts(_costs));
    }

    private LayerTable Measure(ISensitivity sensitivity, SensitivityProblem problem) => Tracked(progress => sensitivity.Measure(problem, progress, _terminal.Cancellation));

    private T Tracked<T>(Func<IProgress<ProductProgress>, T> measure) => _work.Named(() => _terminal.Track(measure));

    /// <summary>Whether a plan is measured beside the chosen one: those of one width, and of the exact search and that with the terms between layers, where they differ.</summary>
    private static bool IsTold((string Name, BitPlan Plan) other, PlanReport report) =>
        (other.Name is "exact" or Pairwise && !other.Plan.Bits.SequenceEqual(report.Plan.Bits))
        || (other.Name != Pairwise && !KnownPlanners.Names.Contains(other.Name) && other.Plan.Bits.Any(bits => bits != QuantizedWeights.Unquantized));

    private PlanQuality Quality(PlanTrial trial, string name, BitPlan? plan) =>
        _work.Named(() => new PlanQuality(name, plan, trial.Of(plan?.Assignment, _work.Data), _test is null ? null : trial.Of(plan?.Assignment, _test)));

    /// <summary>Bits of a layer's input once they are known; before that the fewest there can be.</summary>
    private int? InputBits(string layer) => _inputs is not null ? _inputs.Bits.TryGetValue(layer, out int bits) ? bits : null : _of.Activations.Count > 0 ? _of.Activations.Min() : null;

    /// <summary>The plan's bits where they are among the widths that were measured, else the fewest: a fixed layer may have others.</summary>
    private static Dictionary<string, int> Widths(BitPlan plan, SensitivityProblem problem) =>
        plan.Assignment.ToDictionary(layer => layer.Key, layer => problem.Bits.Contains(layer.Value) ? layer.Value : problem.Bits.Min(), StringComparer.Ordinal);

    private static IReadOnlyList<(string Layer, double Value)> Order(LayerTable table, BitPlan plan) =>
        [.. table.Layers.Select((layer, i) => (layer.Name, Value: layer.SensitivityAt(plan.Bits[i]) ?? 0)).OrderByDescending(layer => layer.Value)];

    private IEnumerable<Finding> Findings(PlanReport report, PlanMeasurement measured)
    {
        const double Drop = 0.01;
        const int Telling = 5; // of fewer layers any order may come by chance
        foreach (string remark in _work.Remarks)
        {
            yield return Finding.Of("checkpoint", Severity.Info, remark);
        }

        yield return measured.Inputs is { } inputs
            ? Finding.Of(
                "weights-and-inputs",
                Severity.Info,
                $"Losses and accuracies are those of quantized weights and of layers' inputs at {inputs.Text}, ranges from {Format.Count(_samples.Count, "sample")}; biases and norms stay in floating point. {(inputs.Plan is null ? "The sensitivities are of weights alone." : "Weights and inputs are planned each by sensitivities of their own.")}",
                ("activation_bits", inputs.Bits.Values.Distinct().Order()))
            : Finding.Of("weights-only", Severity.Info, $"Losses and accuracies are those of quantized weights; activations, biases and norms stay in floating point{(_network.SeesModules ? "" : ", for the layers of TorchScript have no hooks by which to reach their inputs")}.");
        if (_network.Others.Count > 0)
        {
            yield return Finding.Of("not-quantized", Severity.Info, $"Parameters of rank 2 or more that are no layer's weight keep their precision, and no size counts them: {string.Join(", ", _network.Others)}.", ("parameters", _network.Others));
        }

        (PlanQuality plan, NetworkQuality before) = (measured.Plans[0], measured.Baseline.Best);
        if (before.Accuracy - plan.Best.Accuracy > Drop)
        {
            yield return Finding.Of(
                "accuracy-drop",
                Severity.Warning,
                $"The plan takes the accuracy from {Format.Percent(before.Accuracy!.Value)} to {Format.Percent(plan.Best.Accuracy!.Value)} without any tuning. Allow more bits, or fine-tune in the order given.",
                ("float", before.Accuracy),
                ("plan", plan.Best.Accuracy));
        }

        if (measured.Plans.Skip(1).Where(other => char.IsAsciiDigit(other.Name[0]) && report.Keeps(other.Plan!) && other.Best.Loss < plan.Best.Loss).MinBy(other => other.Best.Loss) is { } better)
        {
            yield return Finding.Of(
                "uniform-is-better",
                Severity.Warning,
                $"{better.Name} throughout keeps the limits and has a smaller loss ({Format.Number(better.Best.Loss)}) than this plan ({Format.Number(plan.Best.Loss)}). Try another sensitivity, or more samples.",
                ("uniform_loss", better.Best.Loss),
                ("plan_loss", plan.Best.Loss));
        }

        if (measured.Ranks.Count > 0 && measured.Ranks.MinBy(rank => rank.Bits) is var lowest && lowest.Tau.Count >= Telling && !(lowest.Tau.Value > lowest.Tau.Chance))
        {
            yield return Finding.Of(
                "ranks-disagree",
                Severity.Warning,
                $"At {lowest.Bits} bits the sensitivity '{measured.Sensitivity}' ranks the layers no more like the measured loss than chance would (Kendall's tau {Format.Number(lowest.Tau.Value)}, by chance ±{Format.Error(lowest.Tau.Chance)}). Compare with --sensitivity measured.",
                ("tau", lowest.Tau.Value),
                ("layers", lowest.Tau.Count));
        }
    }
}
