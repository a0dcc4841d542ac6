using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// From a trained network and some hundred samples to a quantized one, without training (Hubara et al. 2020, CalibTIP, section 4): ranges of inputs, layers at each width rounded or calibrated by <see cref="AdaQuant"/>, the integer
/// program over measured losses (<see cref="MeasuredIncrease"/>, <see cref="ExactPlanner"/>), then batch norms and biases tuned to what came out. <see cref="Light"/> and <see cref="Advanced"/> are the paper's two pipelines.
/// </summary>
public sealed record PostTrainingQuantization
{
    /// <summary>The paper's light pipeline: rounded layers, the integer program, batch-norm tuning. Forward passes only.</summary>
    public static PostTrainingQuantization Light { get; } = new() { AdaQuant = null, BiasTuning = null };

    /// <summary>The paper's advanced pipeline: AdaQuant at every width, the integer program, batch-norm and bias tuning.</summary>
    public static PostTrainingQuantization Advanced { get; } = new();

    /// <value>Widths of weights to choose from, each 2 to 8; a single one leaves nothing to plan. 4 and 8.</value>
    public IReadOnlyList<int> Bits { get; init; } = [4, 8];

    /// <value>Bits of all inputs; null: those of the layer's weight; 32: not quantized, which TorchScript needs.</value>
    public int? InputBits { get; init; }

    /// <value>Layers that are not up to the plan, with their bits, 32 for a weight that stays as it is; the first and the last at 8 are usual. Empty.</value>
    public IReadOnlyDictionary<string, int> Fixed { get; init; } = new Dictionary<string, int>();

    /// <value>Bits of layers' inputs where they are not <see cref="InputBits"/>, 2 to 8, 32 for none. Empty.</value>
    public IReadOnlyDictionary<string, int> FixedInputs { get; init; } = new Dictionary<string, int>();

    /// <value>Ranges of inputs.</value>
    public ActivationOptions Activations { get; init; } = new();

    /// <value>Null: layers are rounded. The sequential variant calibrates the layers anew once their widths are planned with the parallel one.</value>
    public AdaQuant? AdaQuant { get; init; } = new();

    /// <value>How loss increases are measured. The rest at the most bits, as in the paper.</value>
    public MeasuredIncrease? Increase { get; init; }

    /// <value>Whether batch norms take their statistics anew, where that brings the outputs on the calibration data nearer to those in floating point (departure: CalibTIP always does). True.</value>
    public bool TunesBatchNorm { get; init; } = true;

    /// <value>Null: biases stay.</value>
    public BiasTuning? BiasTuning { get; init; } = new();

    /// <value>
    /// Those who share the work; one process. Every rank gives all calibration batches and has the whole result. Divided are the passes over them (ranges and, to the bit, measured losses; statistics of batch norms, whose sums differ in
    /// their last digits) and what <see cref="AdaQuant"/> divides (<see cref="AdaQuant.Ranks"/>). Biases are tuned by each rank, since a step sees some 50 samples and comes after the one before, and are then rank 0's on all.
    /// What fails on one rank, or is cancelled there, fails on all. Bits are those of one process on as many threads.
    /// </value>
    public IRanks Ranks { get; init; } = OneRank.Instance;

    /// <summary>Quantizes a network in place, until what is returned is disposed.</summary>
    /// <param name="network">The network in floating point, made with a sample where limits are on bit operations.</param>
    /// <param name="calibration">Batches of some 50 samples, about 1,000 samples in all; targets serve the measured losses alone.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="limits">What a plan keeps to; none where <see cref="Bits"/> is a single width.</param>
    /// <param name="progress">Told what is being done.</param>
    /// <param name="cancellation">Then the network is as it was.</param>
    /// <exception cref="CurvatureException">TorchScript with quantized inputs, limits that cannot be kept, settings out of range, biases that cannot be tuned, no batches.</exception>
    /// <exception cref="NonFiniteException">NaN or infinity in a layer or its inputs, or batches of one value a channel where there are batch norms to tune.</exception>
    public QuantizationResult Run(
        QuantizableNetwork network,
        IReadOnlyList<Batch> calibration,
        ISupervisedLoss loss,
        IReadOnlyList<Limit> limits,
        IProgress<string>? progress = null,
        CancellationToken cancellation = default)
    {
        Ranks.Together(() => Check(network, calibration));
        bool plans = Bits.Count > 1, inSequence = AdaQuant?.Variant == AdaQuantVariant.Sequential;
        Tensor[] inputs = [.. calibration.Select(batch => batch.Inputs)], own = RankShare.Of(inputs, Ranks);
        using DisposeScope scope = NewDisposeScope();
        progress?.Report("ranges of inputs");
        using QuantizedActivations? activations = InputBits == QuantizedWeights.Unquantized && FixedInputs.Count == 0 ? null : QuantizedActivations.Calibrate(network, own, Activations, Ranks, cancellation);
        Tensor? outputs = Outputs(network.Module, BiasTuning is null ? own : inputs, cancellation); // biases are tuned to all of them
        CheckTuning(network, inputs, own, outputs, cancellation);
        var candidates = new List<QuantizedLayer>();
        var result = new QuantizationResult();
        try
        {
            foreach (int width in Bits.Concat(Fixed.Values).Distinct().Where(width => plans || !inSequence))
            {
                progress?.Report(width == QuantizedWeights.Unquantized ? "layers in floating point" : $"layers at {width} bits");
                Dictionary<string, int> asked = network.Layers.Where(layer => Fixed.TryGetValue(layer.Name, out int bits) ? bits == width : Bits.Contains(width)).ToDictionary(layer => layer.Name, _ => width);
                AddLayers(candidates, network, inputs, asked, activations, AdaQuant is null ? null : AdaQuant with { Variant = AdaQuantVariant.Parallel }, cancellation);
            }

            Dictionary<string, int> bitsOf = Fixed.ToDictionary(StringComparer.Ordinal);
            if (!plans)
            {
                foreach (WeightLayer layer in network.Layers)
                {
                    bitsOf.TryAdd(layer.Name, Bits[0]);
                }
            }
            else
            {
                progress?.Report("measured loss increases");
                QuantizedLayer[] free = [.. candidates.Where(layer => !Fixed.ContainsKey(layer.Name))];
                using (QuantizedLayers.Apply(network, candidates.Where(layer => Fixed.ContainsKey(layer.Name)), Ranks))
                {
                    result.Table = ((Increase ?? new MeasuredIncrease { Rest = Bits.Max() }) with { Ranks = Ranks }).Table(network, free, RankShare.Of(calibration, Ranks), loss, cancellation: cancellation);
                }

                result.Table = WithFixed(result.Table, network);
                Ranks.Together(() => result.Plan = new ExactPlanner().Plan(new PlanningProblem(result.Table), limits, cancellation));
                foreach ((string name, int width) in result.Plan!.Assignment)
                {
                    bitsOf[name] = width;
                }
            }

            result.Layers.AddRange(candidates.Where(layer => bitsOf[layer.Name] == layer.Bits));
            candidates.RemoveAll(result.Layers.Contains);
            if (inSequence)
            {
                progress?.Report("layers in sequence");
                candidates.AddRange(result.Layers);
                result.Layers.Clear();
                AddLayers(result.Layers, network, inputs, bitsOf, activations, AdaQuant, cancellation);
            }

            result.Hold(QuantizedLayers.Apply(network, result.Layers, Ranks));
            if (TunesBatchNorm && network.SeesModules)
            {
                progress?.Report("batch norms");
                TuneBatchNorm(network.Module, own, OfOwn(outputs, inputs, own), result, cancellation);
            }

            if (BiasTuning is not null)
            {
                progress?.Report("biases");
                Ranks.Together(() => result.Hold(BiasTuning.Tune(network.Module, inputs.Length == 1 ? inputs[0] : cat(inputs), outputs!, cancellation: cancellation)));
                result.Biases!.OfFirst(Ranks);
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
        finally
        {
            candidates.ForEach(layer => layer.Dispose());
        }
    }

    private void Check(QuantizableNetwork network, IReadOnlyList<Batch> calibration)
    {
        if (Bits.Count == 0 || Bits.Distinct().Count() < Bits.Count || Bits.Concat(Fixed.Values.Where(bits => bits != QuantizedWeights.Unquantized)).Any(bits => bits is < 2 or > 8))
        {
            throw new CurvatureException($"Expected different widths from 2 to 8, and 32 for layers fixed in floating point; got {string.Join(", ", Bits)}, and fixed {string.Join(", ", Fixed.Values)}.");
        }

        if (FixedInputs.FirstOrDefault(layer => layer.Value is not ((>= 2 and <= 8) or QuantizedWeights.Unquantized)) is { Key: not null } input)
        {
            throw new CurvatureException($"Layer '{input.Key}': expected 2 to 8 bits for its input, or 32 for none, got {input.Value}.");
        }

        foreach (string name in Fixed.Keys.Concat(FixedInputs.Keys))
        {
            _ = network[name]; // throws where there is none
        }

        CalibrationPass.RequireSome(calibration.Count, OneRank.Instance);
    }

    /// <summary>What cannot be tuned is said before layers are calibrated, for the price of a forward pass.</summary>
    private void CheckTuning(QuantizableNetwork network, Tensor[] inputs, Tensor[] own, Tensor? outputs, CancellationToken cancellation)
    {
        Ranks.Together(() => _ = BiasTuning?.Check(network.Module, inputs.Sum(batch => batch.shape[0]), outputs!));
        if (TunesBatchNorm && network.SeesModules)
        {
            BatchNormTuning.Apply(network.Module, own, Ranks, cancellation).Dispose();
        }
    }

    private void AddLayers(
        List<QuantizedLayer> to, QuantizableNetwork network, IReadOnlyList<Tensor> inputs, Dictionary<string, int> bits, QuantizedActivations? activations, AdaQuant? adaQuant, CancellationToken cancellation)
    {
        if (adaQuant is not null)
        {
            to.AddRange((adaQuant with { Ranks = Ranks }).Calibrate(network, inputs, bits, activations, bits.ToDictionary(layer => layer.Key, layer => InputsOf(layer.Key) ?? layer.Value), cancellation: cancellation));
            return;
        }

        Ranks.Together(() =>
        {
            foreach (WeightLayer layer in network.Layers.Where(layer =>
                bits.TryGetValue(layer.Name, out int width) && (width != QuantizedWeights.Unquantized || ((InputsOf(layer.Name) ?? width) != width && activations?.Has(layer.Name) == true))))
            {
                to.Add(QuantizedLayer.Round(layer, bits[layer.Name], activations, InputsOf(layer.Name)));
            }
        });
    }

    private int? InputsOf(string layer) => FixedInputs.TryGetValue(layer, out int bits) ? bits : InputBits;

    /// <summary>New statistics stay where they bring the outputs nearer to those in floating point; after AdaQuant the old ones often are the better.</summary>
    private void TuneBatchNorm(nn.Module module, Tensor[] own, Tensor? outputs, QuantizationResult result, CancellationToken cancellation)
    {
        double before = Distance();
        var tuning = BatchNormTuning.Apply(module, own, Ranks, cancellation);
        bool held = false;
        try
        {
            if (tuning.Norms > 0 && Distance() < before)
            {
                result.Hold(tuning);
                held = true;
            }
        }
        finally
        {
            if (!held)
            {
                tuning.Dispose();
            }
        }

        double Distance()
        {
            using Tensor? now = Outputs(module, own, cancellation);
            double distance = 0;
            Ranks.Together(() => distance = now?.sub_(outputs!).square().sum(ScalarType.Float64).ToDouble() ?? 0);
            return Ranks.Sum(distance);
        }
    }

    /// <summary>The network's outputs over some batches; null of none, which a rank may have.</summary>
    private Tensor? Outputs(nn.Module module, Tensor[] inputs, CancellationToken cancellation)
    {
        Tensor? outputs = null;
        Ranks.Together(() => outputs = inputs.Length == 0 && Ranks.Count > 1 ? null : BiasTuning.Outputs(module, inputs, cancellation));
        return outputs;
    }

    /// <summary>The rows of this rank's batches, where outputs are those of all.</summary>
    private Tensor? OfOwn(Tensor? outputs, Tensor[] inputs, Tensor[] own) =>
        BiasTuning is null ? outputs : outputs!.narrow(0, Rows(inputs.Take(RankShare.First(inputs.Length, Ranks))), Rows(own));

    private static long Rows(IEnumerable<Tensor> batches) => batches.Sum(batch => batch.shape[0]);

    /// <summary>The table with the layers that are not up to the plan, in the network's order, all with the bits that inputs have.</summary>
    private LayerTable WithFixed(LayerTable table, QuantizableNetwork network) => table with
    {
        Layers = [.. network.Layers
            .Select(layer => table.Layers.FirstOrDefault(row => row.Name == layer.Name) ?? new TableLayer { Name = layer.Name, Parameters = layer.Parameters, Macs = layer.Macs, Fixed = Fixed[layer.Name] })
            .Select(row => row with { ActivationBits = row.ActivationBits ?? InputsOf(row.Name) })],
    };
}
