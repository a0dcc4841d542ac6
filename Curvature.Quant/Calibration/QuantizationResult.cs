using Curvature.Quant.Planning;

namespace Curvature.Quant.Calibration;

/// <summary>What <see cref="PostTrainingQuantization"/> made of a network, in place until this is disposed: then weights, biases, statistics and hooks are what they were.</summary>
public sealed class QuantizationResult : IDisposable
{
    private readonly Stack<IDisposable> _held = [];

    internal QuantizationResult()
    {
    }

    /// <summary>The measured sensitivities; null where there was one width and nothing to plan.</summary>
    public LayerTable? Table { get; internal set; }

    /// <summary>The plan; null where there was one width.</summary>
    public BitPlan? Plan { get; internal set; }

    /// <summary>The layers as they are in the network, biases as they were before they were tuned; of layers in floating point those whose input is quantized, at 32 bits.</summary>
    public IReadOnlyList<QuantizedLayer> QuantizedLayers => Layers;

    /// <summary>The batch norms' new statistics; null where there are no norms or the old ones were the better.</summary>
    public BatchNormTuning? BatchNorm { get; private set; }

    /// <summary>The tuned biases; null where they were not tuned.</summary>
    public TunedBiases? Biases { get; private set; }

    internal List<QuantizedLayer> Layers { get; } = [];

    /// <summary>Puts the network back.</summary>
    public void Dispose()
    {
        while (_held.TryPop(out IDisposable? held))
        {
            held.Dispose();
        }

        Layers.ForEach(layer => layer.Dispose());
    }

    internal void Hold(IDisposable held)
    {
        _held.Push(held);
        (BatchNorm, Biases) = (held as BatchNormTuning ?? BatchNorm, held as TunedBiases ?? Biases);
    }
}
