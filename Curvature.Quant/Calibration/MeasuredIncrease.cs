using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;

namespace Curvature.Quant.Calibration;

/// <summary>
/// What the loss rises by when one layer alone is quantized, measured: the sensitivities of CalibTIP's integer program (Hubara et al. 2020, section 3.2), which <see cref="ExactPlanner"/> solves. One pass over the data
/// for each layer and width, and one for the rest. <see cref="MeasuredSensitivity"/> is the case of weights alone, rounded, with the rest in floating point. Standard errors are those of the mean over batches of the paired differences: they need two batches or more, and tell how far another sample of
/// data would move the number.
/// </summary>
public sealed record MeasuredIncrease
{
    /// <value>Bits of all other layers while one is measured, at which a layer's own sensitivity is 0; null: they stay in floating point. CalibTIP has 8.</value>
    public int? Rest { get; init; }

    /// <value>The smallest sensitivity at other widths; what a layer gains, by luck mostly, is not planned with. 1e-6, CalibTIP's.</value>
    public double Floor { get; init; } = 1e-6;

    /// <value>Those who share the batches, of which each gives its own: every rank has the table of one process with all of them, to the bit. One process.</value>
    public IRanks Ranks { get; init; } = OneRank.Instance;

    /// <summary>A table of the layers, at all their widths.</summary>
    /// <param name="network">The network in floating point; as it was afterwards.</param>
    /// <param name="candidates">Each layer at each width once, rounded or calibrated (<see cref="AdaQuant.CalibrateEach"/>); they stay the caller's.</param>
    /// <param name="batches">Enumerated for each layer and width.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="progress">Told after each layer and width, how many are done.</param>
    /// <param name="cancellation">Looked at before each batch.</param>
    /// <exception cref="CurvatureException">Widths that a layer has and another lacks, or no candidate at <see cref="Rest"/>.</exception>
    public LayerTable Table(
        QuantizableNetwork network,
        IReadOnlyList<QuantizedLayer> candidates,
        IEnumerable<Batch> batches,
        ISupervisedLoss loss,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        int[] widths = [.. candidates.Select(layer => layer.Bits).Distinct().Order()];
        ILookup<string, QuantizedLayer> byLayer = candidates.ToLookup(layer => layer.Name, StringComparer.Ordinal);
        if (byLayer.FirstOrDefault(layer => !layer.Select(candidate => candidate.Bits).Order().SequenceEqual(widths)) is { } uneven)
        {
            throw new CurvatureException($"Layer '{uneven.Key}': expected one candidate at each of {string.Join(", ", widths)} bits, got {string.Join(", ", uneven.Select(layer => layer.Bits))}.");
        }

        if (Rest is { } width && !widths.Contains(width))
        {
            throw new CurvatureException($"The other layers are to be at {width} bits, but there are candidates at {string.Join(", ", widths)} only. Calibrate that width too.");
        }

        QuantizedLayer[] rest = [.. candidates.Where(layer => layer.Bits == Rest)];
        IReadOnlyList<BatchQuality> before = Measure(rest);
        int done = 0;
        return new LayerTable
        {
            Bits = widths,
            Layers = [.. network.Layers.Where(layer => byLayer.Contains(layer.Name)).Select(layer =>
            {
                var found = byLayer[layer.Name].ToDictionary(candidate => candidate.Bits, candidate =>
                {
                    (double Value, double StandardError) increase = candidate.Bits == Rest ? (0, 0) : BatchQuality.Increase(before, Measure([.. rest.Where(other => other.Name != layer.Name), candidate]), loss.Reduction);
                    progress?.Report(++done);
                    return increase;
                });
                return new TableLayer
                {
                    Name = layer.Name,
                    Parameters = layer.Parameters,
                    Macs = layer.Macs,
                    ActivationBits = byLayer[layer.Name].Select(candidate => candidate.InputBits).Distinct().ToArray() is [{ } alike] ? alike : null,
                    Sensitivity = found.ToDictionary(pair => pair.Key, pair => pair.Key == Rest ? 0 : Math.Max(Floor, pair.Value.Value)),
                    SensitivityStandardError = before.Count > 1 ? found.ToDictionary(pair => pair.Key, pair => pair.Value.StandardError) : null,
                };
            })],
        };

        IReadOnlyList<BatchQuality> Measure(IReadOnlyList<QuantizedLayer> layers)
        {
            using var quantized = QuantizedLayers.Apply(network, layers, Ranks);
            return BatchQuality.Each(network.Module, batches, loss, Ranks, cancellation);
        }
    }
}
