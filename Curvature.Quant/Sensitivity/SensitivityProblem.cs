using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Quantizers;
using static TorchSharp.torch;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// What sensitivities are measured on: a network in evaluation mode, a loss over samples, and the widths its weights may get. The weights' errors are computed once and belong to it; network
/// and data stay the caller's, and are as they were after every measurement.
/// </summary>
public sealed class SensitivityProblem : IDisposable
{
    private WeightErrors? _errors;

    /// <param name="network">The network.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="batches">The same at each enumeration, and valid as long as this object.</param>
    /// <param name="bits">The widths, each 2 to 8.</param>
    /// <param name="quantizer">The quantizer of a width; null: <see cref="Quantizer.HawqWeights"/>.</param>
    /// <param name="ranks">Those who share the samples, <paramref name="batches"/> being this rank's; null: all of them are here.</param>
    /// <exception cref="CurvatureException">No widths, one twice or out of range.</exception>
    public SensitivityProblem(QuantizableNetwork network, ISupervisedLoss loss, IReadOnlyList<Batch> batches, IReadOnlyList<int> bits, Func<int, Quantizer>? quantizer = null, IRanks? ranks = null)
    {
        if (bits.Count == 0 || bits.Any(b => b is < 2 or > 8) || bits.Distinct().Count() < bits.Count)
        {
            throw new CurvatureException($"Expected different widths from 2 to 8 bits, got [{string.Join(", ", bits)}].");
        }

        (Network, Loss, Batches, Bits, Quantizer, Ranks) = (network, loss, batches, bits, quantizer ?? Quantizers.Quantizer.HawqWeights, ranks ?? OneRank.Instance);
    }

    /// <summary>The network.</summary>
    public QuantizableNetwork Network { get; }

    /// <summary>The loss.</summary>
    public ISupervisedLoss Loss { get; }

    /// <summary>The samples; of several ranks this one's.</summary>
    public IReadOnlyList<Batch> Batches { get; }

    /// <summary>Those who share the samples: every measurement is collective, and every rank has its table.</summary>
    public IRanks Ranks { get; }

    /// <summary>The widths.</summary>
    public IReadOnlyList<int> Bits { get; }

    /// <summary>The quantizer of a width.</summary>
    public Func<int, Quantizer> Quantizer { get; }

    /// <summary>What quantization does to the weights; this object's.</summary>
    /// <exception cref="CurvatureException">A weight is not finite.</exception>
    public WeightErrors Errors => _errors ??= WeightErrors.Of(Network.Weights, Bits, Quantizer);

    /// <inheritdoc/>
    public void Dispose() => _errors?.Dispose();

    /// <summary>The loss as a function of all layers' weights.</summary>
    internal Objective Objective() => Objectives.Objective.Supervised(Network.Module, Loss, Batches, Network.Weights, ranks: Ranks);

    /// <summary>Works on the network in evaluation mode with all its weights open to differentiation, and puts back modes and frozen weights.</summary>
    internal T Undisturbed<T>(Func<T> work)
    {
        using var evaluation = new EvaluationMode(Network.Module);
        Tensor[] frozen = [.. Network.Weights.Parameters.Where(weight => !weight.requires_grad)];
        try
        {
            Array.ForEach(frozen, weight => weight.requires_grad = true);
            return work();
        }
        finally
        {
            Array.ForEach(frozen, weight => weight.requires_grad = false);
        }
    }

    /// <summary>A table of the layers with their multiply-accumulates.</summary>
    /// <param name="layer">Adds to the bare layer what was measured of it.</param>
    internal LayerTable Table(Func<TableLayer, int, TableLayer> layer) => new()
    {
        Bits = Bits,
        Layers = [.. Network.Layers.Select((l, i) => layer(new TableLayer { Name = l.Name, Parameters = l.Parameters, Macs = l.Macs }, i))],
    };

    /// <summary>The table of an average trace a layer and its squared errors.</summary>
    internal LayerTable Table(IReadOnlyList<(double Average, double StandardError)> traces) => Table((layer, i) => layer with
    {
        AverageTrace = traces[i].Average,
        TraceStandardError = traces[i].StandardError is > 0 and var error && double.IsFinite(error) ? error : null,
        Error = ByBits(b => Errors.Squares[i, b]),
    });

    /// <summary>Numbers by width.</summary>
    /// <param name="value">Of the width at an index of <see cref="Bits"/>.</param>
    internal Dictionary<int, double> ByBits(Func<int, double> value) => Enumerable.Range(0, Bits.Count).ToDictionary(b => Bits[b], value);
}
