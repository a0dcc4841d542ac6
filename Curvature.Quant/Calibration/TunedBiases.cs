using Curvature.Objectives;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>Biases that <see cref="BiasTuning"/> has trained, in place until this is disposed: then the old ones are back, bit for bit, unless the new ones are kept.</summary>
public sealed class TunedBiases : IDisposable
{
    private readonly List<(Parameter Bias, Tensor Before)> _kept;

    internal TunedBiases(IEnumerable<Parameter> biases) => _kept = [.. biases.Select(bias => (bias, bias.detach().clone().DetachFromDisposeScope()))];

    /// <summary>Mean divergence from the network in floating point over the calibration data before, in nats.</summary>
    public double StartDivergence { get; private set; }

    /// <summary>The same now.</summary>
    public double Divergence { get; private set; }

    /// <summary>Makes the new biases the network's own: disposing no longer brings the old ones back.</summary>
    public void Keep()
    {
        _kept.ForEach(pair => pair.Before.Dispose());
        _kept.Clear();
    }

    /// <summary>Puts the old biases back.</summary>
    public void Dispose()
    {
        using IDisposable noGrad = no_grad();
        foreach ((Parameter bias, Tensor before) in _kept)
        {
            bias.copy_(before);
        }

        Keep();
    }

    /// <summary>Rank 0's biases on every rank, to the bit: ranks that round differently have learned others. Collective.</summary>
    internal void OfFirst(IRanks ranks)
    {
        if (ranks.Count == 1)
        {
            return;
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (StartDivergence, Divergence) = (ranks.FromFirst(StartDivergence), ranks.FromFirst(Divergence));
        foreach ((Parameter bias, _) in _kept)
        {
            Tensor value = bias.detach().clone();
            ranks.Broadcast(value);
            bias.copy_(value);
        }
    }

    internal TunedBiases Found(double start, double now)
    {
        (StartDivergence, Divergence) = (start, now);
        return this;
    }
}
