using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Data;
using Curvature.Krylov;
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
    // Seen on networks from 2,000 to 60,000 parameters, in evaluations: what eigenvectors and the quadratic models come to.
    private const int EvaluationsForEigenvectors = 200, EvaluationsForModels = 20, Repetitions = 3;

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
        LandscapeSummary landscape = _work.Named(() => _terminal.Track(progress => _request.To is { } other ? Towards(other, objective, progress) : Around(objective, progress)));

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
        int points = _request.To is not null ? _request.Steps : (2 * _request.Steps) + (_request.Dimensions == 2 ? _request.Steps * _request.Steps : 0);
        int evaluations = points + (_request.To is not null ? 0 : EvaluationsForModels) + (_request.Directions == LandscapeRequest.Eigenvectors ? EvaluationsForEigenvectors : 0);
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

    /// <summary>Two lines through the checkpoint with their quadratic models, and the plane that they span.</summary>
    private LandscapeSummary Around(Objective objective, IProgress<ProductProgress> progress)
    {
        LandscapeAxis axis = LandscapeAxis.Around(_request.Range ?? 1, _request.Steps);
        using var hessian = new HessianOperator(objective, new CurvatureOptions { Cancellation = _terminal.Cancellation, FiniteDifferenceFallback = true });
        (string Name, Tensor Vector)[] directions = _request.Directions == LandscapeRequest.Eigenvectors ? Eigenvectors(hessian, progress) : Random();
        (string, LandscapeCurve)[] curves =
            [.. directions.Select(d => (d.Name, LandscapeCurve.Of(objective, d.Vector, axis, hessian, progress, _terminal.Cancellation)))];
        LandscapeSurface? surface = _request.Dimensions == 2
            ? LandscapeSurface.Of(objective, directions[0].Vector, directions[1].Vector, axis, progress: progress, cancellation: _terminal.Cancellation)
            : null;
        return new LandscapeSummary(_request.Directions == LandscapeRequest.Eigenvectors ? "distance along the eigenvector" : "multiples of the filters' own lengths", curves, surface);
    }

    private (string, Tensor)[] Random() => [.. Enumerable.Range(0, 2).Select(i => (
        $"random direction {i + 1}", LandscapeDirections.FilterNormalised(_work.Parameters, _request.Work.Seed, i)))];

    private (string, Tensor)[] Eigenvectors(HessianOperator hessian, IProgress<ProductProgress> progress)
    {
        if (hessian.Columns < 2)
        {
            throw new CurvatureException("A single parameter has no two eigenvectors. Take --directions random.");
        }

        using Eigenpairs pairs = new LanczosEigensolver { Count = 2, Tolerance = 1e-3, Seed = _request.Work.Seed }.Solve(hessian, progress, _terminal.Cancellation);
        return [.. Enumerable.Range(0, 2).Select(i => ($"eigenvector, λ = {Format.Number(pairs.Values[i].Value)}", pairs.Vectors.select(1, i).clone()))];
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
