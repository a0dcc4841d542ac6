using Curvature.Objectives;
using Curvature.Quant.Networks;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// A network some of whose layers hold quantized weights and biases and see quantized inputs, until this is disposed. Then its weights and biases are what they were, bit for bit, and its hooks
/// are gone.
/// </summary>
public sealed class QuantizedLayers : IDisposable
{
    private readonly Stack<(Tensor Parameter, Tensor Before)> _kept = [];
    private readonly List<Action> _hooks = [];

    private QuantizedLayers()
    {
    }

    /// <summary>Puts layers in.</summary>
    /// <param name="network">The network.</param>
    /// <param name="layers">Each at most once; they stay the caller's, and may be disposed.</param>
    /// <exception cref="CurvatureException">A layer that the network has not, that comes twice or whose shapes differ. Nothing is changed then.</exception>
    public static QuantizedLayers Apply(QuantizableNetwork network, IEnumerable<QuantizedLayer> layers)
    {
        var applied = new QuantizedLayers();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            foreach (QuantizedLayer layer in layers)
            {
                WeightLayer into = network[layer.Name];
                if (!seen.Add(layer.Name))
                {
                    throw new CurvatureException($"Layer '{layer.Name}' comes twice. Choose one width for it.");
                }

                applied.Replace(layer.Name, into.Weight, layer.Weight);
                if (layer.Bias is { } bias)
                {
                    applied.Replace(layer.Name, LayerFunction.BiasOf(into) ?? throw new CurvatureException($"Layer '{layer.Name}' has no bias to take the calibrated one."), bias);
                }

                if (layer.Input is { } grid)
                {
                    QuantizedActivations.RequireModules(network);
                    applied._hooks.Add(QuantizedActivations.Hook(into, grid));
                }
            }

            return applied;
        }
        catch
        {
            applied.Dispose();
            throw;
        }
    }

    /// <summary>Puts layers in on every rank, or on none. Collective.</summary>
    internal static QuantizedLayers Apply(QuantizableNetwork network, IEnumerable<QuantizedLayer> layers, IRanks ranks)
    {
        QuantizedLayers? applied = null;
        try
        {
            ranks.Together(() => applied = Apply(network, layers));
            return applied!;
        }
        catch
        {
            applied?.Dispose();
            throw;
        }
    }

    /// <summary>Puts weights and biases back and removes the hooks.</summary>
    public void Dispose()
    {
        using IDisposable noGrad = no_grad();
        _hooks.ForEach(remove => remove());
        _hooks.Clear();
        while (_kept.TryPop(out (Tensor Parameter, Tensor Before) last)) // a bias that layers share is kept for each of them, and the first was the network's
        {
            last.Parameter.copy_(last.Before);
            last.Before.Dispose();
        }
    }

    private void Replace(string name, Tensor parameter, Tensor value)
    {
        if (!parameter.shape.SequenceEqual(value.shape))
        {
            throw new CurvatureException($"Layer '{name}': expected values of shape [{string.Join(", ", parameter.shape)}], got [{string.Join(", ", value.shape)}]. They belong to another network.");
        }

        using IDisposable noGrad = no_grad();
        _kept.Push((parameter, parameter.detach().clone().DetachFromDisposeScope()));
        parameter.copy_(value);
    }
}
