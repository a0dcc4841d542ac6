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
            Assert.Equal([("conv1", 8, 8), ("conv2", 4, 8), ("fc", 32, 8)], result.QuantizedLayers.Select(layer => (layer.Name, layer.Bits, layer.InputBits!.Value)).Order());
            Assert.Null(result.Plan);
            Assert.InRange(result.BatchNorm?.Norms ?? 2, 2, 2); // where it helps
            Assert.True(result.Biases!.Divergence <= result.Biases.StartDivergence);
            Assert.Equal(CalibrationNetworks.Values(result.QuantizedLayers.Single(layer => layer.Name == "conv2").Weight), CalibrationNetworks.Values(network["conv2"].Weight));
            Assert.Equal(["ranges of inputs", "layers in sequence", "batch norms", "biases"], told);
        }

        Assert.Equal(before, State(model));
        using (QuantizationResult planned = (pipeline with { Bits = [2, 4], AdaQuant = null }).Run(network, batches, Loss, [Limit.Parse("avg-bits=30")]))
        {
            Assert.Equal([8, 4, 32], planned.Plan!.Bits); // the limit is loose, and what is fixed stays
            Assert.All(planned.Table!.Layers, layer => Assert.Equal(8, layer.ActivationBits));
        }

        using (QuantizationResult apart = (pipeline with { Bits = [2, 4], AdaQuant = null, BiasTuning = null, FixedInputs = new Dictionary<string, int> { ["conv2"] = 5 } }).Run(network, batches, Loss, [Limit.Parse("avg-bits=30")]))
        {
            Assert.Equal([8, 5, 8], apart.Table!.Layers.Select(layer => layer.ActivationBits!.Value));
            Assert.Equal([("conv1", 8), ("conv2", 5), ("fc", 8)], apart.QuantizedLayers.Select(layer => (layer.Name, layer.InputBits!.Value)).Order());
        }

        Assert.Contains("'conv2': expected 2 to 8 bits for its input", Assert.Throws<CurvatureException>(() => (pipeline with { FixedInputs = new Dictionary<string, int> { ["conv2"] = 9 } }).Run(network, batches, Loss, [])).Message, StringComparison.Ordinal);
        using (QuantizationResult weightsOnly = (PostTrainingQuantization.Light with { Bits = [2, 4], InputBits = 32, Fixed = pipeline.Fixed }).Run(network, batches, Loss, [Limit.Parse("avg-bits=30")]))
        {
            Assert.All(weightsOnly.Table!.Layers, layer => Assert.Equal(32, layer.ActivationBits)); // not the weight's, in bit operations
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
        foreach (AdaQuant? adaQuant in (AdaQuant?[])[pipeline.AdaQuant, new AdaQuant(), null])
        {
            Assert.Contains("'conv9'", Assert.Throws<CurvatureException>(() => (pipeline with { AdaQuant = adaQuant, Fixed = new Dictionary<string, int> { ["conv9"] = 8 } }).Run(network, batches, Loss, [])).Message, StringComparison.Ordinal);
        }

        Assert.Throws<InfeasibleLimitException>(() => (PostTrainingQuantization.Light with { Bits = [4, 8] }).Run(network, batches, Loss, [Limit.Parse("avg-bits=3")]));
        Assert.Equal(before, State(model));
    }

    [Theory]
    [InlineData(AdaQuantVariant.Sequential)]
    [InlineData(AdaQuantVariant.Parallel)]
    [InlineData(null)]
    public void A_layer_in_floating_point_sees_its_input_quantized_all_the_same(AdaQuantVariant? variant)
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        Tensor x = CalibrationNetworks.Images(100, 3);
        Batch[] batches = [.. CalibrationNetworks.Batches(x, 50).Select(inputs => new Batch(inputs, model.call(inputs).argmax(1)))];
        var network = QuantizableNetwork.Of(model);
        double[] before = CalibrationNetworks.Values(model.call(x));
        using var activations = QuantizedActivations.Calibrate(network, batches.Select(batch => batch.Inputs));
        var inputs = new Dictionary<string, int> { ["conv1"] = 2, ["fc"] = 3 };
        activations.Apply(inputs);
        double[] expected = CalibrationNetworks.Values(model.call(x));
        activations.Dispose();
        PostTrainingQuantization pipeline = new()
        {
            Bits = [4],
            InputBits = 32,
            FixedInputs = inputs,
            Fixed = network.Layers.ToDictionary(layer => layer.Name, _ => 32),
            AdaQuant = variant is { } learns ? new AdaQuant { Steps = 2, Variant = learns } : null,
            BiasTuning = null,
            TunesBatchNorm = false,
        };
        using (QuantizationResult result = pipeline.Run(network, batches, Loss, []))
        {
            Assert.Equal([("conv1", 2), ("fc", 3)], result.QuantizedLayers.Select(layer => (layer.Name, layer.InputBits!.Value)).Order());
            Assert.All(result.QuantizedLayers, layer => Assert.True(layer is { Bits: 32, Grids.Count: 0 }));
            Assert.Equal(expected, CalibrationNetworks.Values(model.call(x)));
        }

        Assert.NotEqual(before, expected);
        Assert.Equal(before, CalibrationNetworks.Values(model.call(x)));
    }

    [Fact]
    public void Batch_norms_keep_statistics_that_bring_the_outputs_nearer()
    {
        using DisposeScope scope = NewDisposeScope();
        (PostTrainingQuantization pipeline, Sequential model, QuantizableNetwork network, Batch[] batches) = Coarse();
        double[] before = State(model);
        using Tensor exact = BiasTuning.Outputs(model, batches.Select(batch => batch.Inputs));
        double Distance(bool tunes)
        {
            using QuantizationResult result = (pipeline with { TunesBatchNorm = tunes }).Run(network, batches, Loss, []);
            Assert.Equal(tunes ? 2 : null, result.BatchNorm?.Norms);
            using Tensor outputs = BiasTuning.Outputs(model, batches.Select(batch => batch.Inputs));
            return outputs.sub(exact).square().sum().ToDouble();
        }

        double old = Distance(tunes: false), tuned = Distance(tunes: true);
        Assert.True(tuned < 0.9 * old, $"{old} {tuned}");
        Assert.Equal(before, State(model));
    }

    [Fact]
    public void Cancelling_while_new_statistics_are_weighed_brings_the_old_ones_back()
    {
        using DisposeScope scope = NewDisposeScope();
        (PostTrainingQuantization pipeline, Sequential model, QuantizableNetwork network, Batch[] batches) = Coarse();
        double[] before = State(model);
        var norm = (BatchNorm2d)model[1];
        double[] mean = CalibrationNetworks.Values(norm.running_mean!);
        using var cancel = new CancellationTokenSource();
        model.register_forward_pre_hook((_, input) =>
        {
            if (!norm.training && !mean.SequenceEqual(CalibrationNetworks.Values(norm.running_mean!)))
            {
                cancel.Cancel();
            }

            return input;
        });
        Assert.Throws<OperationCanceledException>(() => pipeline.Run(network, batches, Loss, [], cancellation: cancel.Token));
        Assert.True(cancel.IsCancellationRequested);
        Assert.Equal(before, State(model));
    }

    [Fact]
    public void What_cannot_be_tuned_is_said_before_layers_are_calibrated()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(5);
        Tensor x = randn(9, 4).to(Here);
        Refused("two classes", nn.Linear(4, 1).to(Here));
        Refused("'bias'", nn.Linear(4, 3, hasBias: false).to(Here));
        Refused("", nn.Linear(4, 3).to(Here), nn.BatchNorm1d(3).to(Here)); // the last batch is one sample, by whoever says it

        void Refused(string why, params nn.Module<Tensor, Tensor>[] modules)
        {
            Sequential model = nn.Sequential(modules).to(Here);
            var told = new List<string>();
            Batch[] batches = [.. CalibrationNetworks.Batches(x, 4).Select(inputs => new Batch(inputs, zeros(inputs.shape[0], ScalarType.Int64, device: Here)))];
            Assert.Contains(why, Assert.ThrowsAny<CurvatureException>(() => new PostTrainingQuantization { Bits = [4] }.Run(QuantizableNetwork.Of(model), batches, Loss, [], new Told(told.Add))).Message, StringComparison.Ordinal);
            Assert.Equal(["ranges of inputs"], told);
        }
    }

    /// <summary>Convolutions rounded to 2 bits below a last layer in floating point: their norms' means and variances move far.</summary>
    private static (PostTrainingQuantization Pipeline, Sequential Model, QuantizableNetwork Network, Batch[] Batches) Coarse()
    {
        Sequential model = CalibrationNetworks.Convolutional();
        Batch[] batches = [.. CalibrationNetworks.Batches(CalibrationNetworks.Images(200, 9), 50).Select(inputs => new Batch(inputs, model.call(inputs).argmax(1)))];
        return (PostTrainingQuantization.Light with { Bits = [2], InputBits = 32, Fixed = new Dictionary<string, int> { ["fc"] = 32 } }, model, QuantizableNetwork.Of(model), batches);
    }

    private static double[] State(nn.Module model) => [.. model.state_dict().Values.SelectMany(CalibrationNetworks.Values)];

    private sealed class Told(Action<string> told) : IProgress<string>
    {
        public void Report(string value) => told(value);
    }
}
