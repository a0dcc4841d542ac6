using Curvature.Cli.Output;
using Curvature.Distributed;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Viz.Report;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>From a request to a report: opens the workspace, times one product, says what it plans, measures, and adds the findings.</summary>
internal sealed class Measurement
{
    private readonly WorkRequest _request;
    private readonly Quantities _wanted;
    private readonly Terminal _terminal;
    private readonly Workspace _work;
    private readonly EnvironmentReport _environment;
    private readonly JobRecord _record;
    private readonly ProductCost _cost;
    private readonly WorkPlan _whole;
    private readonly WorkPlan _fitting;
    private readonly int _blocks;
    private readonly int _outputs;
    private readonly bool _isInstead;

    private Measurement(WorkRequest request, Quantities wanted, Workspace work, EnvironmentReport environment, JobRecord record, Terminal terminal)
    {
        Quantities asked = wanted;
        wanted = asked.Of(work.Model);
        _isInstead = wanted != asked;
        (_request, _wanted, _work, _environment, _record, _terminal) = (request, wanted, work, environment, record, terminal);
        _environment.Before = record.Before;
        _cost = Cost(record, () => Advised(() => work.Time(TakesForms, terminal.Cancellation)));
        _whole = wanted.Plan(Math.Min(request.Samples ?? long.MaxValue, work.Data.Count), work.Parameters.Count);
        _fitting = wanted.WithinMemory(_whole, VectorsInMemory());
        _blocks = wanted.MeasuresBlocks ? work.Parameters.Layers.Count : 0;
        _outputs = wanted.IsExact ? work.Outputs() : 0;
    }

    /// <summary>The cost of the plan's products: each is made of the whole and of the blocks, or stands for a backward pass an output, which is cheaper.</summary>
    private ProductCost PlannedCost => _cost.Scaled((_outputs > 0 ? _outputs : 1 + _blocks) / (double)Ranks);

    private bool TakesForms => _wanted.Trace is { TakesForms: true };

    /// <summary>Among how many the data is divided.</summary>
    private int Ranks => _request.EstimateFor ?? _work.Ranks.Count;

    private double SecondsLeft => _record.Reading("seconds left", () => (_request.Budget - _environment.Elapsed).TotalSeconds);

    /// <summary>Measures what is wanted of the model, data and loss that <paramref name="request"/> names.</summary>
    public static SharpnessReport Run(WorkRequest request, Quantities wanted, Terminal terminal)
    {
        IRanks ranks = Team.Join(request.RankTimeout);
        if (wanted.VectorFile is { } file && Team.Leads)
        {
            AtomicFile.CheckFile(file);
            InputFiles.Refuse(file, request.Model, request.Data);
        }

        var environment = new EnvironmentReport();
        using Workspace work = Workspace.Open(request, ranks);
        wanted.Eigenvalues?.Check(work.Parameters.Count); // before there is a checkpoint of it
        using JobRecord record = JobRecord.Open(request, work, terminal);
        return new Measurement(request, wanted, work, environment, record, terminal).Run();
    }

    /// <summary>What the work on the model, data and loss that <paramref name="request"/> names would take. A dozen products of one batch, by one process; where a launcher started more, each gets its part of the machine's memory.</summary>
    public static JobEstimate Estimate(WorkRequest request, Quantities wanted, Terminal terminal)
    {
        var environment = new EnvironmentReport();
        using Workspace work = Workspace.Open(request, new SoleRank(Math.Min(Launcher.OnThisMachine, request.EstimateFor ?? 1)));
        wanted.Eigenvalues?.Check(work.Parameters.Count);
        return new Measurement(request, wanted, work, environment, JobRecord.None, terminal).Estimate();
    }

    /// <summary>The cost on one of the ranks that share a device, each of which keeps its part of the graphs that fit into its memory.</summary>
    internal static ProductCost OfRank(ProductCost cost, IRanks ranks, Device device) => cost with { Kept = cost.Kept / ComputeDevice.Sharers(device, ranks.OnThisMachine) };

    /// <summary>What a product costs: measured, or as the run that is gone on from measured it.</summary>
    private static ProductCost Cost(JobRecord record, Func<ProductCost> measure)
    {
        ProductCost? measured = null;
        ProductCost Once() => measured ??= measure();
        return new ProductCost(record.Reading("seconds a graph", () => Once().Graph), record.Reading("seconds a product", () => Once().Product), (long)record.Reading("samples kept", () => Once().Kept))
        {
            Form = record.Reading("seconds a form", () => Once().Form ?? 0) is > 0 and double form ? form : null,
            GraphBytes = record.Reading("bytes a graph", () => Once().GraphBytes),
        };
    }

    /// <summary>Adds the option that helps to the error of a model that cannot be differentiated twice, unless what is wanted is of the Hessian alone and would refuse it.</summary>
    private T Advised<T>(Func<T> measure)
    {
        try
        {
            return measure();
        }
        catch (CurvatureException error) when (!_wanted.IsOfHessianAlone && error is NoSecondDerivativeException or { InnerException: NoSecondDerivativeException })
        {
            throw new CurvatureException($"{error.Message} On the command line: --matrix finite-difference-hessian.", error);
        }
    }

    private int VectorsInMemory() => (int)_record.Reading("vectors in memory", () => ProductBudget.VectorsInMemory(_work.Parameters, _work.Ranks));

    private SharpnessReport Run()
    {
        var blas = Blas.Measure();
        blas = blas with { GigaflopsPerSecond = _record.Reading("gigaflops", () => blas.GigaflopsPerSecond) };
        _environment.AddEngine(blas);
        _work.Describe(_environment);
        WorkPlan plan = ProductBudget.Fit(_fitting, PlannedCost, SecondsLeft * _wanted.ShareOfTime, samplesFixed: _request.Samples is not null);
        foreach (string remark in _work.Remarks)
        {
            _terminal.Say(remark);
        }

        if (_work.FreeMemory() is { } free)
        {
            _terminal.Say(free);
        }

        CheckDefinite(plan);
        _terminal.Say(Announcement(plan));
        _record.Announce(KeptOf(plan), _terminal);

        using SampleSet? some = plan.Samples < _work.Data.Count ? _work.Data.Choose(plan.Samples, _request.Seed) : null;
        SampleSet data = some ?? _work.Data;
        Objective objective = _work.Over(data);
        var options = new CurvatureOptions { Cancellation = _terminal.Cancellation };
        using CurvatureOperator matrix = _work.Matrix(objective, options);
        var subject = new Subject(
            _request.Matrix, objective, _record.Of(matrix, "matrix"), _work.Model, layer => _work.Matrix(_work.Over(data, layer), options), data, batches => _work.Over(batches));
        int products = 0;
        IReadOnlyList<string> cuts = [];
        IReadOnlyList<Finding> leftOut = [];
        SharpnessSummary summary = _terminal.Track(progress =>
        {
            using var stages = new Stages(_wanted, plan, _cost.Scaled(1.0 / Ranks), () => SecondsLeft, VectorsInMemory, _record, progress, _terminal.Cancellation) { Chunk = _request.BatchSize };
            SharpnessSummary measured = stages.Run(subject);
            (plan, products, cuts, leftOut) = (stages.Plan, stages.Products, stages.Cuts, stages.LeftOut);
            if (_wanted.VectorFile is { } file && Team.Leads)
            {
                VectorFile.Write(file, stages.Vectors);
            }

            return measured;
        });
        if (summary.EigenvaluesAreComplete && summary.Eigenvalues.All(eigenvalue => eigenvalue.Converged))
        {
            plan = plan with { EigenProducts = _whole.EigenProducts }; // an iteration that converged lacks nothing
        }

        _environment.Add("samples", plan.Samples);
        _environment.Add("samples_available", _work.Data.Count);
        _environment.Add("products", products);
        _environment.Add("seconds", Math.Round(_environment.Elapsed.TotalSeconds, 3));
        IEnumerable<Finding?> circumstances =
            [.. _work.Remarks.Select(remark => Finding.Of("checkpoint", Severity.Info, remark)), blas.SlowFinding(), CutFinding([.. plan.CutsFrom(_whole), .. cuts]), .. leftOut, .. ToleranceFindings(summary), BatchFinding(plan.Samples), InsteadFinding()];
        return new SharpnessReport
        {
            ModelName = Path.GetFileName(_request.Model),
            DataName = DataName(plan.Samples),
            LossName = _request.Loss,
            Summary = summary,
            Environment = _environment.Entries,
            Command = _request.CommandLine,
            Cuts = [.. plan.CutsFrom(_whole), .. cuts],
            Findings =
            [
                .. circumstances.OfType<Finding>()
                    .Concat(KnownFindings.Examine(summary))
                    .Concat(summary.Landscape is { } landscape ? LandscapeFindings.Examine(landscape) : [])
                    .OrderByDescending(finding => finding.Severity),
            ],
        };
    }

    /// <summary>Before a log-determinant is worked at: a matrix that is made of fewer rows than it has cannot have one without damping, and of any other that is only known on the way.</summary>
    private void CheckDefinite(WorkPlan plan)
    {
        if (_wanted.LogDeterminant is not { Damping: 0 } || _request.L2 > 0)
        {
            return;
        }

        long? rank = _request.Matrix is "ggn" or "fisher" or "empirical-fisher" ? plan.Samples * _work.Outputs() : null; // J' M J with a row of J for each output
        if (rank < _work.Parameters.Count)
        {
            throw new CurvatureException(
                $"logdet: the {_request.Matrix} matrix of {Format.Count(plan.Samples, "sample")} has a rank of at most {Format.Count(rank.Value)} and {Format.Count(_work.Parameters.Count, "parameter")}, so that it is singular and has no log-determinant. Add --damping L, which is added to every eigenvalue.");
        }

        _terminal.Say("No --damping: there is a log-determinant only where every eigenvalue is above 0. The work ends as soon as one shows that is not, and says which damping it takes.");
    }

    /// <summary>Products of the whole length that are kept for each of the plan's: those of all blocks together are as long as one of the whole, and an exact answer keeps none.</summary>
    private int RepeatsOnDisk => _outputs > 0 ? 0 : _blocks > 0 ? 2 : 1;

    /// <summary>About how many products of the whole length, those of blocks taken together, and how many quadratic forms a plan is, and bytes of each on the disk. An exact answer keeps none.</summary>
    private (double Count, double Bytes, string Name)[] KeptOf(WorkPlan plan)
    {
        int forms = TakesForms ? plan.Probes : 0;
        return _outputs > 0 ? [] :
        [
            ((plan.Products - forms) * RepeatsOnDisk, (double)_work.Parameters.Count * _work.Parameters.Parameters[0].ElementSize, "product"),
            (forms * (1.0 + _blocks), JobCost.FormBytes(_work.Parameters.Parameters.Count), "quadratic form"),
        ];
    }

    private JobEstimate Estimate()
    {
        _environment.AddEngine(Blas.Measure());
        _work.Describe(_environment);
        WorkPlan plan = ProductBudget.Fit(_fitting, PlannedCost, SecondsLeft * _wanted.ShareOfTime, samplesFixed: _request.Samples is not null);
        var asked = new JobCost
        {
            Plan = _whole,
            Product = OfRank(_outputs > 0 ? _cost.Scaled(_outputs) : _cost, _work.Ranks, _work.Parameters.Device),
            Parameters = _work.Parameters.Count,
            ElementSize = (int)_work.Parameters.Parameters[0].ElementSize,
            ModelBytes = _work.Model.state_dict().Values.Sum(tensor => (double)tensor.numel() * tensor.ElementSize),
            SampleBytes = _work.Data.BytesOfSample,
            Samples = _work.Data.Count,
            BatchSize = _request.BatchSize,
            BasisSize = (int)(_wanted.Eigenvalues?.UsualBasis(_work.Parameters.Count) ?? 40),
            Ranks = Ranks,
            TraceByForms = TakesForms,
            Tensors = _work.Parameters.Parameters.Count,
            ProbeVectors = _wanted.Diagonal?.VectorsOfSquares ?? 0,
            Repeats = 1 + _blocks,
            RepeatsOnDisk = RepeatsOnDisk,
            Speed = MachineSpeed.Measure(_work.Parameters.Device),
        };
        _environment.Add("seconds", Math.Round(_environment.Elapsed.TotalSeconds, 3));
        return new JobEstimate
        {
            Environment = _environment,
            Asked = asked,
            Fitted = asked with { Plan = plan },
            Budget = _request.Budget,
            FreeMemory = ProductBudget.FreeBytes(_work.Parameters, _work.Ranks),
            RanksOfMachine = _work.Ranks.OnThisMachine,
            FreeDisk = _request.Checkpoint is { } folder ? JobRecord.FreeDisk(folder) : null,
            Circumstances = InsteadFinding() is { } instead ? [instead] : [],
            LeftOut =
            [
                .. _wanted.Stability is null ? Array.Empty<string>() : ["batch gradients of the stability"],
                .. _wanted.BatchSizes is null ? Array.Empty<string>() : ["eigenvalues by batch size, which get what the budget leaves"],
                .. _wanted.Landscape is null ? Array.Empty<string>() : ["the landscape, which gets what the budget leaves"],
            ],
        };
    }

    private string DataName(long samples) => samples < _work.Data.Count
        ? $"{_request.DataName}, {Format.Count(samples)} of {Format.Count(_work.Data.Count, "sample")}"
        : $"{_request.DataName}, {Format.Count(samples, "sample")}";

    private string Announcement(WorkPlan plan)
    {
        string product = Format.Duration(TimeSpan.FromSeconds((_cost.Scaled(1.0 / Ranks) with { Kept = 0 }).Seconds(_whole.Samples, passes: 1, vectors: 1)));
        string total = Format.Duration(TimeSpan.FromSeconds(plan.Seconds(PlannedCost)));
        string cut = plan.CutsFrom(_whole).Count == 0 ? "" : $" {Reason()} cut to {string.Join(", ", plan.CutsFrom(_whole))}.";
        return $"One product over {Format.Count(_whole.Samples, "sample")} takes about {product}. Planned: {Quantities.Describe(plan, _blocks, _outputs)}, {(_work.Ranks.Count > 1 ? $"on {_work.Ranks.Count} ranks, " : "")}about {total}.{cut}";
    }

    private string Reason() => _fitting == _whole
        ? $"To end within {Format.Duration(_request.Budget)} the work is"
        : $"To end within {Format.Duration(_request.Budget)}, and to fit into memory, the work is";

    private Finding? CutFinding(IReadOnlyList<string> cuts)
    {
        return cuts.Count == 0 ? null : Finding.Of(
            "cut-budget",
            Severity.Warning,
            $"{Reason()} cut to {string.Join(", ", cuts)}. A larger --budget does more.",
            ("budget_minutes", _request.Budget.TotalMinutes),
            ("cuts", cuts));
    }

    /// <summary>A mini-batch that is not smaller than what is looked at: there is no noise of batches to tell of.</summary>
    private Finding? BatchFinding(long samples) => _wanted.Stability?.Setting.BatchSize is { } batch && batch >= samples
        ? Finding.Of(
            "full-batch",
            Severity.Warning,
            $"--batch {batch} is {(batch > samples ? "more than" : "all of")} the {Format.Count(samples, "sample")} looked at: each step sees all of them, and mini-batches leave no mark on the learning rates. Name a smaller --batch, or more samples.",
            ("batch", batch),
            ("samples", samples))
        : null;

    /// <summary>An estimate in the place of an exact answer.</summary>
    private Finding? InsteadFinding() => _isInstead
        ? Finding.Of(
            "stochastic-estimate",
            Severity.Warning,
            $"--estimator {ExactWork.Name}: the model is TorchScript, which has no hooks by which to see what its layers do. This is the estimate of {TraceWork.Default} in its place, with its standard error; the weights in a C# model (--model-type) have the exact one.",
            ("estimator", TraceWork.Default))
        : null;

    /// <summary>One for the whole and one for each layer of its own work that missed the tolerance asked for.</summary>
    private IEnumerable<Finding> ToleranceFindings(SharpnessSummary summary) =>
        from part in ((string? Layer, SharpnessSummary Summary)[])[(null, summary), .. summary.Layers.Select(layer => ((string?)layer.Name, layer.Summary)), .. TracesOfBlocks(summary)]
        let goal = Tolerance(part.Summary)
        where goal is not null && goal.Value.Reached > goal.Value.Asked
        select Finding.Of(
            "not-converged",
            Severity.Warning,
            $"{(part.Layer is null ? "The" : $"Layer {part.Layer}: the")} {goal.Value.What} reached a tolerance of {Format.Error(goal.Value.Reached)} after {Format.Count(goal.Value.Products, "product")}, not the {Format.Error(goal.Value.Asked)} asked for.",
            ("tolerance", goal.Value.Asked),
            ("reached", goal.Value.Reached),
            ("products", goal.Value.Products));

    /// <summary>The layers' traces where each had probes of its own; those that come with the whole's have no tolerance.</summary>
    private IEnumerable<(string?, SharpnessSummary)> TracesOfBlocks(SharpnessSummary summary) => _wanted.MeasuresBlocks && summary.Trace is { } trace
        ? trace.Layers.Select(layer => ((string?)layer.Name, new SharpnessSummary { Parameters = layer.Parameters, Trace = new TraceEstimate(layer.Trace, []) }))
        : [];

    /// <summary>The tolerance that was asked for and what was reached of it; null where none was asked for.</summary>
    private (string What, double Asked, double Reached, int Products)? Tolerance(SharpnessSummary summary) => (_wanted, summary) switch
    {
        ({ Trace.Options.RelativeTolerance: { } asked }, { Trace.Total: { } total }) => ("trace", asked, Reached(total), total.Products),
        ({ Diagonal.Options.RelativeTolerance: { } asked }, { Diagonal: { } diagonal }) => ("diagonal", asked, diagonal.RelativeError, diagonal.Products),
        ({ Norm.Tolerance: { } asked }, { Norm.Estimate: { } norm }) => ("norm", asked, Reached(norm), norm.Products),
        ({ Norm.Tolerance: { } asked }, { Norm.Bound: { } bound }) => ("norm", asked, (bound.UpperBound - bound.Value) / bound.Value, bound.Products),
        ({ LogDeterminant.Quadrature.RelativeTolerance: { } asked }, { LogDeterminant.Estimate: { } number }) =>
            ("log-determinant", asked, Reached(number), number.Products),
        ({ Density.CumulativeTolerance: { } asked }, { Density: { } density }) => ("cumulative density", asked, density.CumulativeError(), density.Products),
        _ => null,
    };

    /// <summary>Half the 95 % interval as a share of the value.</summary>
    private static double Reached(Estimate estimate)
    {
        (double low, double high) = estimate.ConfidenceInterval();
        return high == low ? 0 : (high - low) / 2 / Math.Abs(estimate.Value);
    }
}
