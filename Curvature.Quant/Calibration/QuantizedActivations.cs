using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// Simulated static quantization of layers' inputs: ranges measured once on calibration data, then <c>x -> Q(x)</c> in a forward pre-hook of each layer, one grid a layer, until this is
/// disposed. Vectorised in the network's dtype and on its device; a forward pass reads nothing back. Hooks fire on <c>call</c>, not on <c>forward</c>, and where gradients flow they pass straight through what the range does not clip.
/// <para>
/// Layers that take indices (embeddings) have no activations to quantize and are passed over. Of a weight that several modules share, the first module's input is meant. Padding of a convolution
/// is not quantized: 0 is in every grid.
/// </para>
/// </summary>
public sealed class QuantizedActivations : IDisposable
{
    private readonly QuantizableNetwork _network;
    private readonly OrderedDictionary<string, ObservedInput> _inputs;
    private readonly List<Action> _hooks = [];

    private const ulong Golden = 0x9E3779B97F4A7C15;

    private QuantizedActivations(QuantizableNetwork network, OrderedDictionary<string, ObservedInput> inputs) => (_network, _inputs) = (network, inputs);

    /// <summary>The layers whose inputs were seen, in the order of their first calls.</summary>
    public IReadOnlyList<string> Layers => [.. _inputs.Keys];

    /// <summary>Measures the range of every layer's input: one forward pass in evaluation mode without a graph. Nothing is quantized yet.</summary>
    /// <param name="network">The network, of C# modules. It may hold quantized weights: ranges are then those of that network.</param>
    /// <param name="inputs">Batches <c>[N, ...]</c>, enumerated once; floating ones are cast to the network's dtype. Of several ranks this one's, of which there may be none, all held at once.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="ranks">Those who share the inputs, the batches one after the other in the order of the ranks: every rank has the ranges that one process has of them, to the bit. Null: all inputs are here.</param>
    /// <param name="cancellation">Looked at before each batch.</param>
    /// <exception cref="CurvatureException">A TorchScript model, whose weights alone can be quantized; no inputs.</exception>
    /// <exception cref="NonFiniteException">A layer sees NaN or infinity.</exception>
    public static QuantizedActivations Calibrate(
        QuantizableNetwork network, IEnumerable<Tensor> inputs, ActivationOptions? options = null, IRanks? ranks = null, CancellationToken cancellation = default)
    {
        options ??= new ActivationOptions();
        options.Check();
        RequireModules(network);
        ranks ??= OneRank.Instance;
        IReadOnlyList<WeightLayer> layers = Hookable(network);
        var seen = new OrderedDictionary<string, ObservedInput>(StringComparer.Ordinal);
        try
        {
            using var generator = new Generator(options.Seed);
            CalibrationPass.Run(
                network,
                layers,
                (layer, input) =>
                {
                    if (!seen.TryGetValue(layer.Name, out ObservedInput? observed))
                    {
                        seen.Add(layer.Name, observed = new ObservedInput(options));
                    }

                    observed.See(input, generator);
                    return null;
                },
                Drawn(inputs, generator, options.Seed, ranks),
                ranks,
                cancellation);
            seen = OfAllRanks(seen, layers, options, ranks);
            foreach ((string name, ObservedInput observed) in seen)
            {
                observed.Close(name, ranks);
            }
        }
        catch
        {
            foreach (ObservedInput observed in seen.Values)
            {
                observed.Dispose();
            }

            throw;
        }

        return new QuantizedActivations(network, seen);
    }

    /// <summary>The smallest and largest value of a layer's input, as <see cref="ActivationOptions.Extremes"/> puts them together.</summary>
    /// <exception cref="CurvatureException">The layer's input was not seen.</exception>
    public (double Low, double High) Extremes(string layer) => (Seen(layer).Low, Seen(layer).High);

    /// <summary>The grid of a layer's input at 2 to 8 bits.</summary>
    /// <exception cref="CurvatureException">The layer's input was not seen, or bits out of range.</exception>
    public AffineCodes Grid(string layer, int bits) => bits is >= 2 and <= 8
        ? Seen(layer).Grid(bits)
        : throw new CurvatureException($"Layer '{layer}': expected 2 to 8 bits for its input, got {bits}.");

    /// <summary>Quantizes layers' inputs from now on, in the place of any that were before; other layers see their inputs as they are.</summary>
    /// <param name="bits">Bits by layer, 2 to 8; 32, or a layer that is absent, leaves its input as it is. Layers of indices may be among them and are passed over.</param>
    /// <exception cref="CurvatureException">A layer that the network has not or that was not seen, or bits out of range. Nothing is changed then.</exception>
    public void Apply(IReadOnlyDictionary<string, int> bits)
    {
        (WeightLayer Layer, AffineCodes Grid)[] chosen =
            [.. bits.Where(layer => layer.Value != QuantizedWeights.Unquantized && !TakesIndices(_network[layer.Key])).Select(layer => (_network[layer.Key], Grid(layer.Key, layer.Value)))];
        Dispose();
        foreach ((WeightLayer layer, AffineCodes grid) in chosen)
        {
            _hooks.Add(Hook(layer, grid));
        }
    }

    /// <summary>Removes the hooks: every layer sees its input as it is. What was measured stays.</summary>
    public void Dispose()
    {
        _hooks.ForEach(remove => remove());
        _hooks.Clear();
    }

    /// <summary>How many values one sample's input has.</summary>
    /// <exception cref="CurvatureException">The layer's input was not seen.</exception>
    public long Values(string layer) => Seen(layer).PerSample;

    internal bool Has(string layer) => _inputs.ContainsKey(layer);

    /// <summary>Quantizes one layer's input by a grid until the action is called.</summary>
    internal static Action Hook(WeightLayer layer, AffineCodes grid) =>
        ((nn.Module<Tensor, Tensor>)layer.Module!).register_forward_pre_hook((_, input) => SimulatedQuantization.Of(input, grid)).remove;

    /// <summary>The layers whose input can be hooked and is a tensor of numbers.</summary>
    internal static IReadOnlyList<WeightLayer> Hookable(QuantizableNetwork network) => [.. network.Layers.Where(layer => layer.Module is nn.Module<Tensor, Tensor> && !TakesIndices(layer))];

    internal static void RequireModules(QuantizableNetwork network)
    {
        if (!network.SeesModules)
        {
            throw new CurvatureException(
                "The model is TorchScript, whose modules have no hooks: its weights can be quantized, its activations cannot be reached. Quantize weights only, or load the weights into a C# model (--model-type).");
        }
    }

    /// <summary>The inputs, the generator seeded anew for each batch by its place among those of all ranks: the division into ranks changes no draw.</summary>
    private static IEnumerable<Tensor> Drawn(IEnumerable<Tensor> inputs, Generator generator, ulong seed, IRanks ranks)
    {
        ulong place = 0;
        if (ranks.Count > 1)
        {
            Tensor[] own = [];
            ranks.Together(() => own = [.. inputs]);
            place = (ulong)ranks.Gather(own.Length).Take(ranks.Rank).Sum();
            inputs = own;
        }

        return Each();

        IEnumerable<Tensor> Each()
        {
            foreach (Tensor batch in inputs)
            {
                generator.manual_seed(unchecked((long)(seed + (place++ * Golden))));
                yield return batch;
            }
        }
    }

    /// <summary>The layers that any rank has seen, in the order in which one process would have seen them.</summary>
    private static OrderedDictionary<string, ObservedInput> OfAllRanks(OrderedDictionary<string, ObservedInput> seen, IReadOnlyList<WeightLayer> layers, ActivationOptions options, IRanks ranks)
    {
        if (ranks.Count == 1)
        {
            return seen;
        }

        string[] names = [.. layers.Select(layer => layer.Name)];
        return new(
            ranks.Concatenate([.. seen.Keys.Select(name => (double)Array.IndexOf(names, name))]).Distinct()
                .Select(place => names[(int)place])
                .Select(name => KeyValuePair.Create(name, seen.TryGetValue(name, out ObservedInput? own) ? own : new ObservedInput(options))),
            StringComparer.Ordinal);
    }

    private static bool TakesIndices(WeightLayer layer) => layer.Module is Embedding;

    private ObservedInput Seen(string layer) => _inputs.TryGetValue(_network[layer].Name, out ObservedInput? seen)
        ? seen
        : throw new CurvatureException(
            $"The input of layer '{layer}' was not seen in calibration: it takes indices, several inputs, or was never reached by call(). Seen were {QuantizableNetwork.Listed(_inputs.Keys)}.");
}
