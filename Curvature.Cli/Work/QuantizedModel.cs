using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>A network in the state that a plan and its calibration gave it, until this is disposed.</summary>
internal sealed class QuantizedModel : IDisposable
{
    /// <summary>Weights are rounded, and nothing else.</summary>
    public const string None = "none";

    private const string Light = "light", Learned = "adaquant";

    private const int UsualSamples = 1024, BatchSize = 64;

    private readonly IDisposable _held;

    private QuantizedModel(IDisposable held) => _held = held;

    /// <summary>What can be done beyond rounding.</summary>
    public static IReadOnlyList<string> Calibrations { get; } = [None, Light, Learned];

    /// <summary><c>|Q(W) - W|^2</c> of each layer that is quantized.</summary>
    public required IReadOnlyDictionary<string, double> SquaredErrors { get; init; }

    /// <summary>Weights' grids by layer, one of each channel or the one of all; none where only the layer's input is quantized.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<AffineCodes>> Grids { get; init; }

    /// <summary>Of what was calibrated; null: weights were rounded.</summary>
    public QuantizationResult? Calibrated { get; private init; }

    /// <summary>Bits of the inputs that are quantized, by layer.</summary>
    public IReadOnlyDictionary<string, int> InputBits => (Calibrated?.QuantizedLayers ?? []).Where(layer => layer.InputBits is not null).ToDictionary(layer => layer.Name, layer => layer.InputBits!.Value, StringComparer.Ordinal);

    /// <summary>Samples that calibration saw.</summary>
    public long Samples { get; private init; }

    /// <summary>Rounds weights to a plan's bits.</summary>
    public static QuantizedModel Rounded(QuantizableNetwork network, PlanFile plan)
    {
        var weights = QuantizedWeights.Apply(network, plan.Assignment);
        return new QuantizedModel(weights) { SquaredErrors = weights.SquaredErrors, Grids = weights.Grids };
    }

    /// <summary>CalibTIP's pipelines at a plan's bits, inputs quantized as the plan was measured, learned from a seeded sample of the data.</summary>
    /// <param name="request">Which pipeline.</param>
    /// <param name="work">The network's loss and data.</param>
    /// <param name="network">The network, of C# modules.</param>
    /// <param name="plan">The bits.</param>
    /// <param name="say">Told what is being done.</param>
    /// <param name="cancellation">Then the network is as it was.</param>
    public static QuantizedModel Calibrate(QuantizeRequest request, Workspace work, QuantizableNetwork network, PlanFile plan, Action<string> say, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using SampleSet chosen = work.Data.Choose(Math.Min(Math.Min(request.Work.Samples ?? UsualSamples, UsualSamples), work.Data.Count), request.Work.Seed);
        Dataset samples = chosen.All();
        long batches = (samples.Count + BatchSize - 1) / BatchSize; // alike in size: a norm sees a batch's own statistics, and of one sample there are none
        bool learns = request.Calibration == Learned, scores = work.Loss is CrossEntropy;
        var how = new PostTrainingQuantization
        {
            Fixed = plan.Assignment,
            InputBits = QuantizedWeights.Unquantized,
            FixedInputs = plan.InputBits,
            Ranks = work.Ranks,
            AdaQuant = learns ? new AdaQuant { Variant = AdaQuantVariant.Sequential, Seed = (ulong)request.Work.Seed } : null,
            BiasTuning = learns && scores ? new BiasTuning { Seed = (ulong)request.Work.Seed } : null,
            Bits = [8], // of layers that the plan leaves out, and there are none
        };
        Dictionary<string, Tensor> before = network.Layers.ToDictionary(layer => layer.Name, layer => layer.Weight.detach().clone(), StringComparer.Ordinal);
        QuantizationResult result = how.Run(network, [.. samples.Batches((samples.Count + batches - 1) / batches)], work.Loss, [], new Told(say), cancellation);
        return new QuantizedModel(result)
        {
            SquaredErrors = result.QuantizedLayers.Where(layer => layer.Bits != QuantizedWeights.Unquantized).ToDictionary(layer => layer.Name, layer => layer.Weight.sub(before[layer.Name]).square().sum(ScalarType.Float64).ToDouble(), StringComparer.Ordinal),
            Grids = result.QuantizedLayers.ToDictionary(layer => layer.Name, layer => layer.Grids, StringComparer.Ordinal),
            Calibrated = result,
            Samples = samples.Count,
        };
    }

    /// <summary>Throws where a model cannot be calibrated, before any work.</summary>
    /// <exception cref="CurvatureException">TorchScript.</exception>
    public static void Check(QuantizeRequest request, QuantizableNetwork network)
    {
        if (request.Calibration != None && !network.SeesModules)
        {
            throw new CurvatureException($"--calibrate {request.Calibration}: the model is TorchScript, whose layers' inputs and norms cannot be reached: its weights can be rounded, and no more. Leave --calibrate out, or load the weights into a C# model (--model-type).");
        }
    }

    /// <summary>Puts the network back.</summary>
    public void Dispose() => _held.Dispose();

    private sealed class Told(Action<string> say) : IProgress<string>
    {
        public void Report(string value) => say($"Calibration: {value}.");
    }
}
