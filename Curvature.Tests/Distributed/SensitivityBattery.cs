using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Tests.Reference;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What a plan is made of, over any number of ranks: every sensitivity, the terms between layers, the quality of a quantized network, and the sensitivities of activations.</summary>
internal static class SensitivityBattery
{
    private const int Seed = 3;

    private static readonly int[] Widths = [2, 4];

    public static void Measure(Dictionary<string, double[]> all, IRanks ranks)
    {
        using DisposeScope scope = NewDisposeScope();
        (Problem problem, _) = RankBattery.Make("conv, batch norm in eval mode", ranks);
        IReadOnlyList<Batch> batches = problem.Batches(RankBattery.Sizes("conv, batch norm in eval mode"));
        Batch[] own = [.. RankBattery.Shard(batches, ranks, empty: 0)];
        var network = QuantizableNetwork.Of(problem.Model, batches[0].Inputs.narrow(0, 0, 1));
        using var sensitivities = new SensitivityProblem(network, problem.Loss, own, Widths, ranks: ranks);
        foreach (string name in KnownSensitivities.Names)
        {
            LayerTable table = KnownSensitivities.Create(name, new SensitivityOptions { Probes = 8, Seed = Seed }).Measure(sensitivities);
            all.Add($"sensitivity {name}", [.. table.Layers.SelectMany(layer => Widths.SelectMany(bits => (double[])[layer.SensitivityAt(bits)!.Value, layer.StandardErrorAt(bits)]))]);
        }

        all.Add("terms between layers", [new QuadraticSensitivity { WithSlope = true }.Model(sensitivities).Increase([.. network.Layers.Select(_ => 2)])]);
        using (QuantizedWeights.Apply(network, network.Layers.ToDictionary(layer => layer.Name, _ => 2)))
        {
            var quality = NetworkQuality.Of(problem.Model, own, problem.Loss, ranks);
            all.Add("quality of a quantized network", [quality.Loss, quality.Accuracy ?? -1]);
        }

        Tensor[] inputs = [.. batches.Select(batch => batch.Inputs)];
        using var activations = QuantizedActivations.Calibrate(network, inputs);
        LayerTable traces = new ActivationSensitivity { Ranks = ranks, Estimator = new HutchinsonTrace { MaxProbes = 4, MinProbes = 2, Seed = Seed } }
            .Table(network, Objective.Supervised(problem.Model, problem.Loss, batches), inputs, activations, Widths);
        all.Add("sensitivity of activations", [.. traces.Layers.SelectMany(layer => (double[])[layer.AverageTrace!.Value, layer.TraceStandardError ?? 0, layer.SensitivityAt(4)!.Value])]);
    }
}
