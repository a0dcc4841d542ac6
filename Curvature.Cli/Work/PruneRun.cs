using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Pruning;
using Curvature.Sharpness;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>Measures the model, prunes it by magnitude and from the start again by OBS, measures both, and writes the second.</summary>
internal sealed class PruneRun
{
    private const int MostSamples = 16;

    private readonly PruneRequest _request;
    private readonly Terminal _terminal;
    private readonly Workspace _work;
    private readonly SampleSet _samples;
    private readonly SampleSet? _test;

    private PruneRun(PruneRequest request, Workspace work, SampleSet samples, SampleSet? test, Terminal terminal) =>
        (_request, _work, _samples, _test, _terminal) = (request, work, samples, test, terminal);

    /// <summary>Does what <paramref name="request"/> says. The file appears when all is done.</summary>
    public static PruneReport Run(PruneRequest request, Terminal terminal)
    {
        var environment = new EnvironmentReport();
        using var work = Workspace.Open(request.Work, Team.Join(request.Work.RankTimeout));
        if (Team.Leads)
        {
            CheckpointWriter.Check(work.Loaded, request.Out);
            InputFiles.Refuse(request.Out, request.Work.Model, request.Work.Data, request.Test);
        }

        using SampleSet samples = work.Data.Choose(Math.Min(request.Work.Samples ?? long.MaxValue, work.Data.Count), request.Work.Seed);
        using SampleSet? test = request.Test is null ? null : work.Read(request.Test);
        return new PruneRun(request, work, samples, test, terminal).Run(environment);
    }

    private PruneReport Run(EnvironmentReport environment)
    {
        environment.AddEngine(Blas.Measure());
        _work.Describe(environment);
        environment.AddFile("test", _request.Test);
        using Tensor start = _work.Parameters.Snapshot();
        PruneOutcome before = Measure("before");
        Prune(new MagnitudePruner { Sparsity = _request.Sparsity }, _work.Over(_samples)).Dispose();
        PruneOutcome magnitude = Measure("magnitude");
        Restore(start);

        int gradients = (int)Math.Min(_request.Gradients, _samples.Count);
        int each = _request.GradientSamples ?? (int)Math.Clamp(_samples.Count / gradients, 1, MostSamples);
        using SampleSet chosen = InRandomOrder(Math.Min((long)gradients * each, _samples.Count));
        Objective objective = _work.Over(chosen, batchSize: each);
        gradients = (int)((chosen.Count + each - 1) / each);
        _terminal.Say($"OBS: {Format.Count(gradients)} gradients of {Format.Count(each)} samples in each of {_request.Steps} steps.");
        using PruningResult result = Prune(Obs(), objective);
        PruneOutcome obs = Measure("obs");
        if (Team.Leads)
        {
            CheckpointWriter.Write(_work.Loaded, _request.Out);
        }

        environment.Add("samples", _samples.Count);
        environment.Add("samples_available", _work.Data.Count);
        environment.Add("seconds", Math.Round(environment.Elapsed.TotalSeconds, 3));
        return new PruneReport
        {
            Request = _request,
            Environment = environment.Entries,
            Outcomes = [before, obs, magnitude],
            Layers = result.Layers,
            PredictedIncrease = _request.Update == PruningUpdate.Joint ? result.Steps.Sum(step => step.PredictedIncrease) : null,
            Gradients = gradients,
            GradientSamples = each,
            Findings = [.. Findings(obs, magnitude, result).OrderByDescending(finding => finding.Severity)],
        };
    }

    /// <summary>A seeded choice of the samples: a file may be sorted by class, and a gradient is to see several.</summary>
    private SampleSet InRandomOrder(long count)
    {
        using DisposeScope scope = NewDisposeScope();
        using var generator = new Generator((ulong)(uint)_request.Work.Seed);
        return _samples.Select(randperm(_samples.Count, generator: generator).narrow(0, 0, count).data<long>().ToArray());
    }

    private ObsPruner Obs() => new()
    {
        Sparsity = _request.Sparsity,
        Steps = _request.Steps,
        Update = _request.Update,
        Matrix = new MfacOptions { Damping = _request.Damping, BlockSize = _request.BlockSize },
    };

    private PruningResult Prune(IPruner pruner, Objective objective) =>
        _work.Named(() => pruner.Prune(objective, new SayProgress(_terminal), _terminal.Cancellation));

    private PruneOutcome Measure(string name) => _work.Named(() => new PruneOutcome(
        name,
        _work.Quality(_samples, _terminal.Cancellation),
        _test is null ? null : _work.Quality(_test, _terminal.Cancellation)));

    private void Restore(Tensor theta)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        foreach ((Tensor parameter, Tensor value) in _work.Parameters.Parameters.Zip(_work.Parameters.Split(theta)))
        {
            parameter.copy_(value);
        }
    }

    private IEnumerable<Finding> Findings(PruneOutcome obs, PruneOutcome magnitude, PruningResult result)
    {
        foreach (string remark in _work.Remarks)
        {
            yield return Finding.Of("checkpoint", Severity.Info, remark);
        }

        if ((obs.Test ?? obs.Data).Loss > (magnitude.Test ?? magnitude.Data).Loss)
        {
            yield return Finding.Of(
                "magnitude-is-better",
                Severity.Warning,
                "Pruning by magnitude leaves a smaller loss than OBS. Raise --damping or --gradients, or take more --steps.",
                ("obs_loss", (obs.Test ?? obs.Data).Loss),
                ("magnitude_loss", (magnitude.Test ?? magnitude.Data).Loss));
        }

        if (result.Layers.All(layer => layer.Pruned == 0))
        {
            yield return Finding.Of(
                "nothing-pruned",
                Severity.Warning,
                "The sparsity is less than half a weight, and no weight was set to zero. Ask for a higher one.",
                ("weights", result.Layers.Sum(layer => layer.Weights)));
        }

        foreach (PrunedLayer layer in result.Layers.Where(layer => layer.Pruned == layer.Weights))
        {
            yield return Finding.Of(
                "layer-is-zero",
                Severity.Warning,
                $"All weights of {layer.Name} are zero: what comes after it no longer depends on what comes before. Ask for a lower sparsity.",
                ("layer", layer.Name));
        }
    }

    /// <summary>A line a step.</summary>
    private sealed class SayProgress(Terminal terminal) : IProgress<PruningProgress>
    {
        public void Report(PruningProgress value)
        {
            if (value.Total > 1)
            {
                terminal.Say($"step {value.Done} of {value.Total}: {Format.Percent(value.Sparsity)} zeros");
            }
        }
    }
}
