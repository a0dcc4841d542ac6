using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Data;
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
        if (request.Out is { } folder)
        {
            AtomicFile.CheckFolder(folder);
        }

        var environment = new EnvironmentReport();
        using Workspace work = Workspace.Open(request.Work);
        return new LandscapeRun(request, work, environment, terminal).Run();
    }

    private LandscapeReport Run()
    {
        using DisposeScope scope = NewDisposeScope();
        _environment.AddEngine(Blas.Measure());
        _work.Describe(_environment);
        long available = _work.Data.Count, asked = Math.Min(_request.Work.Samples ?? long.MaxValue, available);
        (long samples, Finding? cut) = Plan(asked);
        using Dataset? some = samples < available ? _work.Data.Sample(samples, _request.Work.Seed) : null;
        Objective objective = _work.Over(some ?? _work.Data);
        LandscapeSummary landscape = _work.Named(() => _terminal.Track(progress => _request.To is { } other ? Towards(other, objective, progress) : _request.Around.Look(objective, progress, _terminal.Cancellation)));

        _environment.Add("samples", samples);
        _environment.Add("samples_available", available);
        _environment.Add("seconds", Math.Round(_environment.Elapsed.TotalSeconds, 3));
        IEnumerable<Finding?> circumstances = [.. _work.Remarks.Select(remark => Finding.Of("checkpoint", Severity.Info, remark)), cut];
        return new LandscapeReport
        {
            Request = _request,
            Environment = _environment.Entries,
            Samples = samples,
            SamplesAvailable = available,
            Parameters = _work.Parameters.Count,
            Landscape = landscape,
            Findings = [.. circumstances.OfType<Finding>().Concat(LandscapeFindings.Examine(landscape)).OrderByDescending(finding => finding.Severity)],
        };
    }

    /// <summary>As many of the samples as the budget allows, found out from the time of one evaluation.</summary>
    private (long Samples, Finding? Cut) Plan(long asked)
    {
        using Dataset batch = _work.Data.Sample(Math.Min(Math.Min(_request.Work.BatchSize, asked), _work.Data.Count), _request.Work.Seed);
        double sample = _work.Named(() => Seconds(_work.Over(batch))) / batch.Count;
        (int points, int evaluations) = _request.To is not null ? (_request.Steps, _request.Steps) : (_request.Around.Points, _request.Around.Evaluations);
        double left = Math.Max(1, (_request.Work.Budget - _environment.Elapsed).TotalSeconds);
        long fitting = (long)Math.Clamp(left / (evaluations * sample), 1, asked), samples = _request.Work.Samples is null ? fitting : asked;
        string cut = samples < asked ? $" To end within {Format.Duration(_request.Work.Budget)} the samples are cut from {Format.Count(asked)}." : "";
        _terminal.Say($"Planned: {Format.Count(points, "point")} over {Format.Count(samples, "sample")}, about {Format.Duration(TimeSpan.FromSeconds(evaluations * samples * sample))}.{cut}");
        return (samples, samples == asked ? null : Finding.Of(
            "cut-budget",
            Severity.Warning,
            $"To end within {Format.Duration(_request.Work.Budget)} the samples are cut from {Format.Count(asked)} to {Format.Count(samples)}. A larger --budget or fewer --steps do more.",
            ("budget_minutes", _request.Work.Budget.TotalMinutes),
            ("samples", samples)));
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
    private LandscapeSummary Towards(string other, Objective objective, IProgress<ProductProgress> progress)
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
        double range = _request.Range ?? 2;
        LandscapeAxis axis = new((1 - range) / 2, (1 + range) / 2, _request.Steps);
        LandscapeCurve curve = LandscapeCurve.Between(objective, target, axis, space, progress, _terminal.Cancellation);
        return new LandscapeSummary("from the first network, 0, to the second, 1", [($"to {Path.GetFileName(other)}", curve)], null);
    }
}
