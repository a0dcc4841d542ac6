using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>From a request to slices of the loss: opens the workspace, times one evaluation, says what it plans, and looks.</summary>
internal sealed class LandscapeRun
{
    /// <summary>The file of the numbers, in the folder of the figures.</summary>
    public const string FileName = "landscape.json";

    private const int Repetitions = 3;

    private readonly LandscapeRequest _request;
    private readonly Workspace _work;
    private readonly Terminal _terminal;
    private readonly EnvironmentReport _environment;

    private LandscapeRun(LandscapeRequest request, Workspace work, EnvironmentReport environment, Terminal terminal) =>
        (_request, _work, _environment, _terminal) = (request, work, environment, terminal);

    /// <summary>Looks at the checkpoint that <paramref name="request"/> names, or from it to another.</summary>
    public static LandscapeReport Run(LandscapeRequest request, Terminal terminal)
    {
        IRanks ranks = Team.Join(request.Work.RankTimeout);
        if (request.Out is { } folder && Team.Leads)
        {
            AtomicFile.CheckFolder(folder);
            InputFiles.Refuse(Path.Combine(folder, FileName), request.Work.Model, request.Work.Data, request.To);
        }

        var environment = new EnvironmentReport();
        using Workspace work = Workspace.Open(request.Work, ranks);
        return new LandscapeRun(request, work, environment, terminal).Run();
    }

    private LandscapeReport Run()
    {
        using DisposeScope scope = NewDisposeScope();
        _environment.AddEngine(Blas.Measure());
        _work.Describe(_environment);
        long available = _work.Data.Count, asked = Math.Min(_request.Work.Samples ?? long.MaxValue, available);
        (long samples, LandscapeRequest affordable, Finding? cut) = Plan(asked);
        using SampleSet? some = samples < available ? _work.Data.Choose(samples, _request.Work.Seed) : null;
        Objective objective = _work.Over(some ?? _work.Data);
        LandscapeSummary landscape = _work.Named(() => _terminal.Track(progress => _request.To is { } other ? Towards(other, affordable.Steps, objective, progress) : affordable.Around.Look(objective, record: null, progress, _terminal.Cancellation)));

        _environment.AddFile("to", _request.To);
        _environment.Add("samples", samples);
        _environment.Add("samples_available", available);
        _environment.Add("products", landscape.Products);
        _environment.Add("seconds", Math.Round(_environment.Elapsed.TotalSeconds, 3));
        IEnumerable<Finding?> circumstances = [.. _work.Remarks.Select(remark => Finding.Of("checkpoint", Severity.Info, remark)), cut];
        return new LandscapeReport
        {
            Request = affordable,
            Environment = _environment.Entries,
            Samples = samples,
            SamplesAvailable = available,
            Parameters = _work.Parameters.Count,
            Landscape = landscape,
            Findings = [.. circumstances.OfType<Finding>().Concat(LandscapeFindings.Examine(landscape)).OrderByDescending(finding => finding.Severity)],
        };
    }

    /// <summary>As many of the samples, where their number was not given, and then of the points as the budget allows; found out from the time of one evaluation.</summary>
    private (long Samples, LandscapeRequest Affordable, Finding? Cut) Plan(long asked)
    {
        using SampleSet batch = _work.Data.Choose(Math.Min(Math.Min(_request.Work.BatchSize, asked), _work.Data.Count), _request.Work.Seed);
        double sample = _work.Ranks.FromFirst(_work.Named(() => Seconds(_work.Over(batch.All().Batches(batch.Count))))) / batch.Count / _work.Ranks.Count;
        double left = _work.Ranks.FromFirst(Math.Max(1, (_request.Work.Budget - _environment.Elapsed).TotalSeconds));
        long samples = _request.Work.Samples is null ? (long)Math.Clamp(left / (_request.Evaluations * sample), 1, asked) : asked;
        LandscapeRequest affordable = _request.Within(left / (samples * sample));
        string[] cuts =
        [
            .. samples < asked ? [$"the samples are cut from {Format.Count(asked)} to {Format.Count(samples)}"] : Array.Empty<string>(),
            .. affordable.Steps < _request.Steps ? [$"the points along each direction are cut from {Format.Count(_request.Steps)} to {Format.Count(affordable.Steps)}"] : Array.Empty<string>(),
        ];
        string cut = cuts.Length == 0 ? "" : $" To end within {Format.Duration(_request.Work.Budget)} {string.Join(", and ", cuts)}.";
        _terminal.Say($"Planned: {Format.Count(affordable.Points, "point")} over {Format.Count(samples, "sample")}, about {Format.Duration(TimeSpan.FromSeconds(affordable.Evaluations * samples * sample))}.{cut}");
        return (samples, affordable, cuts.Length == 0 ? null : Finding.Of(
            "cut-budget",
            Severity.Warning,
            $"{cut.TrimStart()} A larger --budget, fewer --steps or fewer --samples leave more.",
            ("budget_minutes", _request.Work.Budget.TotalMinutes),
            ("samples", samples),
            ("steps", affordable.Steps)));
    }

    private double Seconds(Objective objective)
    {
        List<double> times = [];
        for (int i = 0; i <= Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            objective.Value(_terminal.Cancellation);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return times.Skip(1).Order().ElementAt(Repetitions / 2); // the first one warms up
    }

    /// <summary>The line to another checkpoint, over the parameters looked at and, in networks with batch norm, its running statistics.</summary>
    private LandscapeSummary Towards(string other, int steps, Objective objective, IProgress<ProductProgress> progress)
    {
        using LoadedModel second = _work.Another(other);
        Dictionary<string, Tensor> ends = second.Module.state_dict();
        HashSet<string> parameters = [.. _work.Model.named_parameters().Select(entry => entry.name)];
        (string Name, Tensor Value)[] moved =
        [
            .. _work.Parameters.Names.Zip(_work.Parameters.Parameters),
            .. _work.Model.state_dict().Where(entry => entry.Value.dtype == _work.Parameters.DType && !parameters.Contains(entry.Key)).Select(entry => (entry.Key, entry.Value)),
        ];
        foreach ((string name, Tensor value) in moved)
        {
            if (!ends.TryGetValue(name, out Tensor? end) || !end.shape.AsSpan().SequenceEqual(value.shape))
            {
                throw new CurvatureException(
                    $"'{name}' is [{string.Join(", ", value.shape)}] in {Path.GetFileName(_request.Work.Model)} and {(end is null ? "absent" : $"[{string.Join(", ", end.shape)}]")} in "
                    + $"{Path.GetFileName(other)}: --to takes another checkpoint of the same network.");
            }
        }

        ParameterSpace space = new(moved);
        using Tensor target = space.Flatten([.. moved.Select(entry => ends[entry.Name].detach())]);
        using Tensor start = space.Snapshot();
        if (start.Equals(target))
        {
            throw new CurvatureException($"{Path.GetFileName(_request.Work.Model)} and {Path.GetFileName(other)} have the same weights{(_request.Work.Parameters == "*" ? "" : $" in what --parameters {_request.Work.Parameters} looks at")}, so that there is no direction from one to the other. Name another checkpoint with --to{(_request.Work.Parameters == "*" ? "" : ", or other --parameters")}.");
        }

        double range = _request.Range ?? 2;
        LandscapeAxis axis = new((1 - range) / 2, (1 + range) / 2, steps);
        LandscapeCurve curve = LandscapeCurve.Between(objective, target, axis, space, progress, _terminal.Cancellation);
        return new LandscapeSummary("from the first network, 0, to the second, 1", [($"to {Path.GetFileName(other)}", curve)], null);
    }
}
