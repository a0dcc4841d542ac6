using Curvature.Objectives;
using Curvature.Quant.Networks;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>One calibration: which layers see what, and in which order.</summary>
internal sealed class AdaQuantRun(
    AdaQuant options,
    QuantizableNetwork network,
    IReadOnlyList<Tensor> inputs,
    QuantizedActivations? activations,
    IProgress<AdaQuantProgress>? progress,
    CancellationToken cancellation)
{
    private readonly List<QuantizedLayer> _done = [];
    private int _total;

    public IReadOnlyList<QuantizedLayer> Layers(IReadOnlyList<(WeightLayer Layer, int Bits, int InputBits)> asked)
    {
        _total = asked.Count;
        try
        {
            IReadOnlyList<(WeightLayer Layer, double Bytes)> order = [];
            options.Ranks.Together(() => order = Begin(asked));
            if (options.Variant == AdaQuantVariant.Sequential)
            {
                Sequentially(order, asked);
            }
            else
            {
                InParallel(order, asked);
            }

            var position = asked.Select((a, i) => (Key: (a.Layer.Name, a.Bits), i)).ToDictionary(pair => pair.Key, pair => pair.i);
            return [.. _done.OrderBy(layer => position[(layer.Name, layer.Bits)])];
        }
        catch
        {
            _done.ForEach(layer => layer.Dispose());
            throw;
        }
    }

    /// <summary>Looks at what is asked for, rounds the layers that are not calibrated, and gives the others in the order of their calls.</summary>
    private IReadOnlyList<(WeightLayer Layer, double Bytes)> Begin(IReadOnlyList<(WeightLayer Layer, int Bits, int InputBits)> asked)
    {
        options.Check();
        Check(asked);
        QuantizedActivations.RequireModules(network);
        CalibrationPass.RequireSome(inputs.Count, OneRank.Instance);
        WeightLayer[] known = [.. asked.Where(a => a.Bits != QuantizedWeights.Unquantized).Select(a => a.Layer).DistinctBy(layer => layer.Name).Where(layer => LayerFunction.Of(layer.Module) is not null)];
        IReadOnlyList<(WeightLayer Layer, double Bytes)> order = known.Length == 0 ? [] : LayerInputs.Order(network, known, inputs, cancellation);
        foreach ((WeightLayer layer, int bits, int inputBits) in asked.Where(a => order.All(o => o.Layer.Name != a.Layer.Name)))
        {
            Add(QuantizedLayer.Round(layer, bits, activations, inputBits, options.Quantizer));
        }

        return order;
    }

    private void Check(IReadOnlyList<(WeightLayer Layer, int Bits, int InputBits)> asked)
    {
        var seen = new HashSet<(string Layer, int Bits)>();
        foreach ((WeightLayer layer, int bits, int inputBits) in asked)
        {
            bool inputFits = activations is null || inputBits is (>= 2 and <= 8) or QuantizedWeights.Unquantized;
            bool weightFits = bits is >= 2 and <= 8 || (bits == QuantizedWeights.Unquantized && activations is not null && inputBits != bits);
            if (!weightFits || !inputFits || !seen.Add((layer.Name, bits)))
            {
                throw new CurvatureException(
                    $"Layer '{layer.Name}': expected different widths from 2 to 8 bits for its weight, and 2 to 8 or {QuantizedWeights.Unquantized} for its input; got {string.Join(", ", asked.Where(a => a.Layer.Name == layer.Name).Select(a => activations is null ? $"{a.Bits}" : $"{a.Bits} with inputs at {a.InputBits}"))}.");
            }
        }
    }

    /// <summary>Each rank some of the layers; then all have all of them.</summary>
    private void InParallel(IReadOnlyList<(WeightLayer Layer, double Bytes)> order, IReadOnlyList<(WeightLayer Layer, int Bits, int InputBits)> asked)
    {
        IRanks ranks = options.Ranks;
        ranks.Together(() => Own([.. order.Where((_, l) => l % ranks.Count == ranks.Rank)], asked));
        foreach ((WeightLayer layer, int l) in ranks.Count == 1 ? [] : order.Select((o, l) => (o.Layer, l)))
        {
            foreach ((_, int bits, _) in asked.Where(a => a.Layer.Name == layer.Name))
            {
                QuantizedLayer? own = _done.Find(done => (done.Name, done.Bits) == (layer.Name, bits));
                QuantizedLayer shared = LayerExchange.Share(ranks, layer, bits, l % ranks.Count, own);
                if (own is null)
                {
                    _done.Add(shared);
                }
            }
        }
    }

    /// <summary>As many layers a pass as memory holds.</summary>
    private void Own(IReadOnlyList<(WeightLayer Layer, double Bytes)> order, IReadOnlyList<(WeightLayer Layer, int Bits, int InputBits)> asked)
    {
        for (int first = 0; first < order.Count;)
        {
            int count = 1;
            for (double bytes = order[first].Bytes; first + count < order.Count && (bytes += order[first + count].Bytes) <= options.Memory; count++)
            {
            }

            WeightLayer[] layers = [.. order.Skip(first).Take(count).Select(o => o.Layer)];
            first += count;
            Dictionary<string, Tensor> captured = LayerInputs.Capture(network, layers, inputs, OneRank.Instance, cancellation);
            try
            {
                foreach (WeightLayer layer in layers)
                {
                    using (var reconstruction = new LayerReconstruction(options, layer, captured[layer.Name], captured[layer.Name], activations))
                    {
                        foreach ((_, int bits, int inputBits) in asked.Where(a => a.Layer.Name == layer.Name))
                        {
                            Add(reconstruction.At(bits, inputBits, cancellation));
                        }
                    }

                    captured[layer.Name].Dispose();
                }
            }
            finally
            {
                DisposeAll(captured);
            }
        }
    }

    /// <summary>In the order of calls; inputs of the network in floating point give the targets, those of the network so far quantized are what a layer sees. Every rank learns the layer, and goes on with rank 0's.</summary>
    private void Sequentially(IReadOnlyList<(WeightLayer Layer, double Bytes)> order, IReadOnlyList<(WeightLayer Layer, int Bits, int InputBits)> asked)
    {
        foreach ((WeightLayer layer, _) in order)
        {
            Dictionary<string, Tensor> exact = LayerInputs.Capture(network, [layer], inputs, options.Ranks, cancellation), seen = [];
            try
            {
                using (QuantizedLayers.Apply(network, _done, options.Ranks))
                {
                    seen = LayerInputs.Capture(network, [layer], inputs, options.Ranks, cancellation);
                }

                (_, int bits, int inputBits) = asked.Single(a => a.Layer.Name == layer.Name);
                options.Ranks.Together(() =>
                {
                    using var reconstruction = new LayerReconstruction(options, layer, exact[layer.Name], seen[layer.Name], activations);
                    Add(reconstruction.At(bits, inputBits, cancellation));
                });
                if (options.Ranks.Count > 1)
                {
                    QuantizedLayer own = _done[^1];
                    _done[^1] = LayerExchange.Share(options.Ranks, layer, bits, 0, own);
                    if (options.Ranks.Rank != 0)
                    {
                        own.Dispose();
                    }
                }
            }
            finally
            {
                DisposeAll(exact);
                DisposeAll(seen);
            }
        }
    }

    private void Add(QuantizedLayer layer)
    {
        _done.Add(layer);
        progress?.Report(new AdaQuantProgress(layer.Name, layer.Bits, _done.Count, _total, layer.StartError ?? double.NaN, layer.Error ?? double.NaN));
    }

    private static void DisposeAll(Dictionary<string, Tensor> captured)
    {
        foreach (Tensor tensor in captured.Values)
        {
            tensor.Dispose();
        }
    }
}
