using Curvature.Objectives;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// One norm's running statistics as the mean over its calls, each weighted by the batch's samples: with <c>S</c> the samples so far, this call's <c>n</c> among them, its momentum is <c>n / S</c>, of which <c>r = (1 - m) r + m call</c> makes
/// the mean; the first call alone to begin with. Until disposed.
/// </summary>
internal sealed class NormMean : IDisposable
{
    private readonly BatchNorm _norm;
    private readonly Tensor? _counterBefore;
    private readonly Action _remove;
    private long _samples;
    private bool _seesCalls;

    public NormMean(BatchNorm norm)
    {
        _norm = norm;
        _counterBefore = norm.num_batches_tracked?.clone().DetachFromDisposeScope();
        _remove = norm.register_forward_pre_hook((_, input) =>
        {
            (Weight, _seesCalls) = (_seesCalls ? Weight : 0, true); // what the batch was taken for beforehand does not count
            Count();
            return input;
        }).remove;
    }

    /// <summary>Samples of all calls.</summary>
    public double Weight { get; private set; }

    /// <summary>Whether the hook has seen a call: what no call went with is not taken for one then.</summary>
    public bool SeesCalls => _seesCalls;

    /// <summary>A batch comes: until a hook says otherwise the norm will be called once.</summary>
    public void Begin(long samples)
    {
        _samples = samples;
        _norm.train();
        if (!_seesCalls)
        {
            Count();
        }
    }

    /// <summary>
    /// The weighted mean of the ranks' statistics, and their calls together; a rank without calls has the old ones, which do not count, nor do batches that a rank took for calls where hooks of another have seen what calls are. Where nobody
    /// called it, it stays. Collective.
    /// </summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="all">Of each rank its <see cref="Weight"/> and whether it <see cref="SeesCalls"/>.</param>
    public void OfAll(IRanks ranks, IReadOnlyList<(double Weight, bool SeesCalls)> all)
    {
        bool areSeen = all.Any(rank => rank.SeesCalls);
        double[] weights = [.. all.Select(rank => rank.SeesCalls == areSeen ? rank.Weight : 0)];
        (double own, double weight) = (weights[ranks.Rank], weights.Sum());
        if (weight == 0)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        foreach (Tensor statistics in (Tensor[])[_norm.running_mean!, _norm.running_var!])
        {
            Tensor sum = own > 0 ? statistics.to(ScalarType.Float64).mul(own / weight) : zeros(statistics.shape, ScalarType.Float64, statistics.device);
            ranks.Sum(sum);
            statistics.copy_(sum);
        }

        if (_norm.num_batches_tracked is { } counter)
        {
            Tensor calls = counter.sub(_counterBefore!);
            ranks.Sum(calls);
            counter.copy_(calls.add_(_counterBefore!));
        }
    }

    public void Dispose()
    {
        _remove();
        _counterBefore?.Dispose();
    }

    private void Count()
    {
        Weight += _samples;
        _norm.momentum = _samples / Weight;
    }
}
