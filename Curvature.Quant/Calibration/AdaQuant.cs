using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// Weights, biases and ranges that make a quantized layer give what the layer gave: for each layer by itself
/// <c>min over V, b, ranges of |f(X; W, b_0) - f(Q(X'); Q(W + V), b)|^2</c>, the mean over all entries of its outputs, by Adam with straight-through rounding (Hubara, Nahshan, Hanani, Banner, Soudry 2020, Improving Post Training
/// Neural Quantization: Layer-wise Calibration and Integer Programming, eq. 1; CalibTIP). X are the layer's inputs in floating point, X' the same or what the calibrated layers before make
/// (<see cref="AdaQuantVariant"/>). The best of the states looked at is kept, so that the error on the calibration data is never above that of rounding.
/// <para>
/// Linear layers and convolutions padded with zeros are calibrated; others, embeddings among them, are rounded. A layer is taken alone: batch norm after it is neither folded nor part of f
/// (a norm in evaluation mode scales each channel's error, and with a grid a channel changes no channel's optimum), and a layer without bias gets none; <see cref="BatchNormTuning"/> takes up what
/// its mean moved. Cost: <see cref="Steps"/> forward and backward passes of the layer over <see cref="BatchSize"/> samples, its inputs and outputs on all samples in memory, and one forward
/// pass of the network for as many layers as <see cref="Memory"/> holds (sequential: one a layer).
/// </para>
/// <para>
/// Departures: rates are relative, V's to the grid's step, a bias's to the standard deviation of the outputs, ranges' to themselves, so that no unit matters, and fall linearly to 0 (CalibTIP: absolute
/// and constant); Adam's epsilon is 1e-16, so that neither does a layer's size (1e-8 holds back layers of a million weights); it ends early where <see cref="Patience"/> looks in a row find nothing better.
/// </para>
/// </summary>
public sealed record AdaQuant
{
    /// <value>Steps of Adam for a layer, at most. 300.</value>
    public int Steps { get; init; } = 300;

    /// <value>Samples of a step, drawn in a random order without replacement. 50, CalibTIP's.</value>
    public int BatchSize { get; init; } = 50;

    /// <value>Rate of V, in steps of the weight's grid.</value>
    public double WeightRate { get; init; } = 0.002;

    /// <value>Rate of the bias, in standard deviations of the layer's outputs.</value>
    public double BiasRate { get; init; } = 1e-3;

    /// <value>Rate of the scales of the weight's grids, relative, and of their zero points, in spans of the grid.</value>
    public double WeightRangeRate { get; init; } = 0.002;

    /// <value>Rate of the scale of the input's grid, relative, and of its zero point, in spans of the grid.</value>
    public double InputRangeRate { get; init; } = 0.002;

    /// <value>How often the error over all samples is looked at. 6.</value>
    public int Looks { get; init; } = 6;

    /// <value>Looks in a row without a better error that end a layer. 4: while rates are high, layers that end well are often worse than rounding.</value>
    public int Patience { get; init; } = 4;

    /// <value>Parallel.</value>
    public AdaQuantVariant Variant { get; init; } = AdaQuantVariant.Parallel;

    /// <value>Seed of the order of samples. The same on one device and thread count gives the same layers bit for bit.</value>
    public ulong Seed { get; init; }

    /// <value>Bytes that inputs of layers may take at once. 512 MiB.</value>
    public long Memory { get; init; } = 512L << 20;

    /// <value>
    /// Those who share the work, each with all calibration inputs; one process. In parallel each calibrates some of the layers, of which every rank then has those of one process to the bit. In sequence a layer waits for those before it, and
    /// a step sees too few samples to divide: the ranks divide the forward passes of the network alone, two a layer, each makes all steps, and all go on with rank 0's layer.
    /// </value>
    public IRanks Ranks { get; init; } = OneRank.Instance;

    /// <value>Of weights, for a width; null: <see cref="Quantizer.HawqWeights"/>. Affine grids learn their zero points too.</value>
    public Func<int, Quantizer>? Quantizer { get; init; }

    /// <summary>Calibrates each layer at one width. The network is afterwards as it was.</summary>
    /// <param name="network">The network, of C# modules, in floating point.</param>
    /// <param name="inputs">Calibration batches, enumerated several times; about 1,000 samples are usual. The last dimensions and the dtype as the model takes them.</param>
    /// <param name="bits">Bits of weights by layer; 32 leaves the weight as it is, and the layer out where its input is not quantized either; so does a layer that is absent.</param>
    /// <param name="activations">Ranges of inputs to begin with; null: inputs are not quantized.</param>
    /// <param name="inputBits">Bits of inputs by layer; null, or a layer that is absent: those of its weight; 32: not quantized.</param>
    /// <param name="progress">Told after each layer; of several ranks each is told of its own.</param>
    /// <param name="cancellation">Looked at before each step.</param>
    /// <returns>The layers, in the order of the network's. The caller disposes them.</returns>
    /// <exception cref="CurvatureException">TorchScript, no inputs, unknown layers, bits or settings out of range: all before any work.</exception>
    /// <exception cref="NonFiniteException">A layer whose outputs are not finite on the calibration data.</exception>
    public IReadOnlyList<QuantizedLayer> Calibrate(
        QuantizableNetwork network,
        IReadOnlyList<Tensor> inputs,
        IReadOnlyDictionary<string, int> bits,
        QuantizedActivations? activations = null,
        IReadOnlyDictionary<string, int>? inputBits = null,
        IProgress<AdaQuantProgress>? progress = null,
        CancellationToken cancellation = default) =>
        new AdaQuantRun(this, network, inputs, activations, progress, cancellation).Layers(
            [.. bits
                .Select(layer => (Layer: network[layer.Key], Bits: layer.Value, InputBits: inputBits?.TryGetValue(layer.Key, out int width) == true ? width : layer.Value))
                .Where(layer => layer.Bits != QuantizedWeights.Unquantized || (layer.InputBits != QuantizedWeights.Unquantized && activations?.Has(layer.Layer.Name) == true))]);

    /// <summary>Calibrates every layer at each of several widths, as a choice for a planner; see <see cref="MeasuredIncrease"/>. The variant is parallel.</summary>
    /// <param name="network">As in <see cref="Calibrate"/>.</param>
    /// <param name="inputs">As in <see cref="Calibrate"/>.</param>
    /// <param name="widths">Bits of weights, each once.</param>
    /// <param name="activations">As in <see cref="Calibrate"/>.</param>
    /// <param name="inputBits">Bits of all inputs; null: those of the weight.</param>
    /// <param name="progress">Told after each layer and width.</param>
    /// <param name="cancellation">Looked at before each step.</param>
    /// <returns>The layers, in the order of the network's and then of widths. The caller disposes them.</returns>
    /// <exception cref="CurvatureException">As in <see cref="Calibrate"/>; the sequential variant, for which widths before a layer would have to be known.</exception>
    public IReadOnlyList<QuantizedLayer> CalibrateEach(
        QuantizableNetwork network,
        IReadOnlyList<Tensor> inputs,
        IReadOnlyList<int> widths,
        QuantizedActivations? activations = null,
        int? inputBits = null,
        IProgress<AdaQuantProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        if (Variant != AdaQuantVariant.Parallel)
        {
            throw new CurvatureException("Layers at several widths can only be calibrated in parallel: the sequential variant needs to know the widths of the layers before. Choose a plan first, then calibrate it.");
        }

        return new AdaQuantRun(this, network, inputs, activations, progress, cancellation).Layers([.. network.Layers.SelectMany(layer => widths.Select(width => (layer, width, inputBits ?? width)))]);
    }

    internal void Check()
    {
        if (Steps < 0 || BatchSize < 1 || Looks < 1 || Patience < 1 || Memory < 1)
        {
            throw new CurvatureException($"Expected steps from 0, and at least one sample a step, look, look to wait and byte of memory; got {Steps}, {BatchSize}, {Looks}, {Patience} and {Memory}.");
        }

        if (new[] { WeightRate, BiasRate, WeightRangeRate, InputRangeRate }.Any(rate => !double.IsFinite(rate) || rate < 0))
        {
            throw new CurvatureException($"Expected finite rates that are not negative, got {WeightRate}, {BiasRate}, {WeightRangeRate} and {InputRangeRate}.");
        }
    }
}
