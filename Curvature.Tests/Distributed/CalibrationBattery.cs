using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Quantizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What calibration makes of a network, over any number of ranks: ranges of inputs in every way they are put together, and the pipelines of post-training quantization with the layers, norms and biases that they learn.</summary>
internal static class CalibrationBattery
{
    private const string Network = "conv, batch norm in eval mode";

    public static void Measure(Dictionary<string, double[]> all, IRanks ranks)
    {
        using DisposeScope scope = NewDisposeScope();
        (Problem problem, _) = RankBattery.Make(Network, ranks);
        IReadOnlyList<Batch> batches = problem.Batches(RankBattery.Sizes(Network));
        var network = QuantizableNetwork.Of(problem.Model, batches[0].Inputs.narrow(0, 0, 1));
        foreach ((string name, ActivationOptions options) in ((string, ActivationOptions)[])
            [
                ("least squares", new ActivationOptions { ValuesPerBatch = 10_000, Seed = 3 }), // more than a fit takes
                ("percentiles", new ActivationOptions { Range = new PercentileRange(99), ValuesPerBatch = 50 }),
                ("means of samples", new ActivationOptions { Range = new MinMaxRange(), Extremes = ActivationExtremes.MeanOfSamples }),
                ("running means", new ActivationOptions { Range = new MinMaxRange(), Extremes = ActivationExtremes.RunningMean }),
            ])
        {
            using var activations = QuantizedActivations.Calibrate(network, RankBattery.Shard(batches, ranks, empty: 0).Select(batch => batch.Inputs), options, ranks);
            all.Add($"ranges by {name}", [.. activations.Layers.SelectMany(layer => (double[])[activations.Extremes(layer).Low, activations.Extremes(layer).High, activations.Grid(layer, 4).Scale, activations.Grid(layer, 4).Zero, activations.Values(layer)])]);
        }

        foreach ((string name, PostTrainingQuantization pipeline) in ((string, PostTrainingQuantization)[])
            [
                ("light", PostTrainingQuantization.Light with { Bits = [2, 4, 8] }),
                ("in parallel", PostTrainingQuantization.Advanced with { Bits = [2, 4, 8], AdaQuant = new AdaQuant { Steps = 6, BatchSize = 4 }, BiasTuning = new BiasTuning { Epochs = 2, BatchSize = 4 } }),
                ("in sequence", PostTrainingQuantization.Advanced with { Bits = [3], AdaQuant = new AdaQuant { Steps = 6, BatchSize = 4, Variant = AdaQuantVariant.Sequential }, BiasTuning = null }),
            ])
        {
            using QuantizationResult result = (pipeline with { Ranks = ranks }).Run(network, batches, problem.Loss, pipeline.Bits.Count > 1 ? [Limit.Parse("avg-bits=4")] : []);
            all.Add($"calibrated {name}: layers", [.. result.QuantizedLayers.SelectMany(layer => (double[])[layer.Bits, layer.Input!.Value.Scale, layer.Error ?? 0, layer.Steps, .. Numbers(layer.Weight), .. layer.Bias is null ? [] : Numbers(layer.Bias)])]);
            all.Add($"calibrated {name}: sensitivities", [result.BatchNorm?.Norms ?? 0, .. result.Table?.Layers.SelectMany(layer => layer.Sensitivity!.Values) ?? []]);
            using IDisposable noGrad = no_grad();
            all.Add($"calibrated {name}: outputs", Numbers(((nn.Module<Tensor, Tensor>)problem.Model).call(batches[^1].Inputs)));
        }

        using (BatchNormTuning tuning = BatchNormTuning.Apply(problem.Model, RankBattery.Shard(batches, ranks, empty: 2).Select(batch => batch.Inputs), ranks))
        {
            all.Add("statistics of norms", [.. problem.Model.modules().OfType<BatchNorm2d>().SelectMany(norm => (double[])[norm.num_batches_tracked!.ToInt64(), .. Numbers(norm.running_mean!), .. Numbers(norm.running_var!)])]);
        }
    }

    private static double[] Numbers(Tensor values) => values.detach().contiguous().cpu().data<double>().ToArray();
}
