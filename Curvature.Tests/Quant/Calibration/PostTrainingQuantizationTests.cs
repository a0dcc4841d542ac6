using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class PostTrainingQuantizationTests
{
    private static readonly CrossEntropy Loss = new();

    [Fact]
    public void Both_pipelines_keep_the_limit_and_the_advanced_one_is_nearer_to_the_network_in_floating_point()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel digits = CalibrationNetworks.Digits();
        using Dataset calibration = CalibrationNetworks.DigitsData(250, seed: 1), unseen = CalibrationNetworks.DigitsData(1000, seed: 2);
        var network = QuantizableNetwork.Of(digits.Module, unseen.Inputs.narrow(0, 0, 1));
        double[] before = State(digits.Module);
        double Run(PostTrainingQuantization pipeline)
        {
            using QuantizationResult result = pipeline.Run(network, [.. calibration.Batches(50)], Loss, [Limit.Parse("avg-bits=3.9")]);
            Assert.InRange(result.Plan!.AverageBits, 2, 3.9);
            Assert.Equal(result.Plan.Assignment.OrderBy(b => b.Key), result.QuantizedLayers.ToDictionary(layer => layer.Name, layer => layer.Bits).OrderBy(b => b.Key));
            Assert.Equal(result.Plan.Objective, new PlanningProblem(result.Table!).Evaluate(result.Plan.Assignment).Objective);
            Assert.Equal((true, pipeline.BiasTuning is null), (result.BatchNorm is null, result.Biases is null)); // it has no norms
            return NetworkQuality.Of(digits.Module, unseen.Batches(500), Loss).Loss;
        }

        double light = Run(PostTrainingQuantization.Light with { Bits = [2, 3, 8] });
        Assert.Equal(before, State(digits.Module));
        double advanced = Run(PostTrainingQuantization.Advanced with { Bits = [2, 3, 8], AdaQuant = new AdaQuant { Steps = 100 } });
        Assert.Equal(before, State(digits.Module));
        Assert.True(advanced < light, $"{light} {advanced}");
    }

    [Fact]
    public void Fixed_layers_single_widths_and_the_sequential_variant()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        Tensor x = CalibrationNetworks.Images(100, 3);
        Batch[] batches = [.. CalibrationNetworks.Batches(x, 50).Select(inputs => new Batch(inputs, model.call(inputs).argmax(1)))];
        var network = QuantizableNetwork.Of(model, x.narrow(0, 0, 1));
        double[] before = State(model);
        PostTrainingQuantization pipeline = new()
        {
            Bits = [4],
            InputBits = 8,
            Fixed = new Dictionary<string, int> { ["conv1"] = 8, ["fc"] = 32 },
            AdaQuant = new AdaQuant { Steps = 12, Variant = AdaQuantVariant.Sequential },
            BiasTuning = new BiasTuning { Epochs = 1 },
        };
        var told = new List<string>();
        using (QuantizationResult result = pipeline.Run(network, batches, Loss, [], new Told(told.Add)))
        {
            Assert.Equal([("conv1", 8, 8), ("conv2", 4, 8)], result.QuantizedLayers.Select(layer => (layer.Name, layer.Bits, layer.InputBits!.Value)));
            Assert.Null(result.Plan);
            Assert.InRange(result.BatchNorm?.Norms ?? 2, 2, 2); // where it helps
            Assert.True(result.Biases!.Divergence <= result.Biases.StartDivergence);
            Assert.Equal(CalibrationNetworks.Values(result.QuantizedLayers[1].Weight), CalibrationNetworks.Values(network["conv2"].Weight));
            Assert.Equal(["ranges of inputs", "layers in sequence", "batch norms", "biases"], told);
        }

        Assert.Equal(before, State(model));
        using (QuantizationResult planned = (pipeline with { Bits = [2, 4], AdaQuant = null }).Run(network, batches, Loss, [Limit.Parse("avg-bits=30")]))
        {
            Assert.Equal([8, 4, 32], planned.Plan!.Bits); // the limit is loose, and what is fixed stays
        }

        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => pipeline.Run(network, batches, Loss, [], new Told(work =>
        {
            if (work == "biases")
            {
                cancel.Cancel();
            }
        }), cancel.Token));
        Assert.Equal(before, State(model));
        Assert.Throws<CurvatureException>(() => (pipeline with { Bits = [] }).Run(network, batches, Loss, []));
        Assert.Throws<CurvatureException>(() => (pipeline with { Fixed = new Dictionary<string, int> { ["conv9"] = 8 } }).Run(network, batches, Loss, []));
        Assert.Throws<InfeasibleLimitException>(() => (PostTrainingQuantization.Light with { Bits = [4, 8] }).Run(network, batches, Loss, [Limit.Parse("avg-bits=3")]));
        Assert.Equal(before, State(model));
    }

    private static double[] State(nn.Module model) => [.. model.state_dict().Values.SelectMany(CalibrationNetworks.Values)];

    private sealed class Told(Action<string> told) : IProgress<string>
    {
        public void Report(string value) => told(value);
    }
}
