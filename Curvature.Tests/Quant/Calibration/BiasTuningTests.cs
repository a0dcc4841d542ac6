using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class BiasTuningTests
{
    [Fact]
    public void Brings_the_quantized_network_nearer_to_the_one_in_floating_point_and_goes_back()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel digits = CalibrationNetworks.Digits();
        using Dataset calibration = CalibrationNetworks.DigitsData(300, seed: 1), unseen = CalibrationNetworks.DigitsData(500, seed: 2);
        var network = QuantizableNetwork.Of(digits.Module);
        using var activations = QuantizedActivations.Calibrate(network, [calibration.Inputs]);
        Tensor exact = BiasTuning.Outputs(digits.Module, calibration.Inputs.split(100)), exactUnseen = BiasTuning.Outputs(digits.Module, [unseen.Inputs]);
        double[] before = [.. digits.Module.parameters().SelectMany(CalibrationNetworks.Values)];
        using (QuantizedLayers.Apply(network, [.. network.Layers.Select(layer => QuantizedLayer.Round(layer, 2, activations))]))
        {
            double[] weights = CalibrationNetworks.Values(network["fc1"].Weight);
            double start = Divergence(exactUnseen, BiasTuning.Outputs(digits.Module, [unseen.Inputs]));
            using TunedBiases tuned = new BiasTuning { LearningRate = 0.02 }.Tune(digits.Module, calibration.Inputs, exact);
            Assert.Equal(Divergence(exact, BiasTuning.Outputs(digits.Module, [calibration.Inputs])), tuned.Divergence, 1e-5);
            Assert.True(tuned.Divergence < 0.8 * tuned.StartDivergence, $"{tuned.StartDivergence} {tuned.Divergence}");
            Assert.InRange(Divergence(exactUnseen, BiasTuning.Outputs(digits.Module, [unseen.Inputs])), 0, 0.9 * start);
            Assert.Equal(weights, CalibrationNetworks.Values(network["fc1"].Weight)); // biases only
            Assert.All(digits.Module.parameters(), parameter => Assert.Null(parameter.grad));
        }

        Assert.Equal(before, digits.Module.parameters().SelectMany(CalibrationNetworks.Values));
    }

    [Fact]
    public void Is_never_worse_than_at_the_start_and_one_seed_gives_one_result()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional(ScalarType.Float64);
        Tensor x = CalibrationNetworks.Images(60, 4, ScalarType.Float64), exact = BiasTuning.Outputs(model, [x]);
        BiasTuning tuning = new() { Epochs = 2, BatchSize = 20, LearningRate = 10 }; // far too large
        using (TunedBiases same = tuning.Tune(model, x, exact))
        {
            Assert.Equal((0.0, 0.0), (Math.Round(same.StartDivergence, 12), Math.Round(same.Divergence, 12)));
        }

        Tensor other = exact.add(randn([60, 3], ScalarType.Float64).to(Here));
        double[] Tuned(BiasTuning settings)
        {
            using TunedBiases tuned = settings.Tune(model, x, other);
            Assert.True(tuned.Divergence < tuned.StartDivergence);
            return [.. model.parameters().SelectMany(CalibrationNetworks.Values)]; // those of batch norms too
        }

        double[] first = Tuned(tuning with { LearningRate = 0.01 });
        Assert.Equal(first, Tuned(tuning with { LearningRate = 0.01 }));
        Assert.NotEqual(first, Tuned(tuning with { LearningRate = 0.01, Seed = 1 }));
    }

    [Fact]
    public void What_cannot_be_tuned_is_said_and_cancelling_leaves_the_biases_as_they_were()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 3, hasBias: false))).to(Here);
        Tensor x = randn(10, 4).to(Here);
        Assert.Contains("'bias'", Assert.Throws<CurvatureException>(() => new BiasTuning().Tune(model, x, zeros(10, 3, device: Here))).Message, StringComparison.Ordinal);
        Assert.Contains("[10, C]", Assert.Throws<CurvatureException>(() => new BiasTuning().Tune(model, x, zeros(10, 1, device: Here))).Message, StringComparison.Ordinal);

        Sequential biased = nn.Sequential(("fc", nn.Linear(4, 3))).to(Here);
        double[] before = [.. biased.parameters().SelectMany(CalibrationNetworks.Values)];
        Assert.Contains("not finite", Assert.Throws<NonFiniteException>(() => new BiasTuning().Tune(biased, x, full([10, 3], double.NaN, device: Here))).Message, StringComparison.Ordinal);
        Assert.Equal(before, biased.parameters().SelectMany(CalibrationNetworks.Values));
        using var cancel = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => new BiasTuning { BatchSize = 5 }.Tune(biased, x, randn(10, 3).to(Here), new Cancelling(cancel), cancel.Token));
        Assert.Equal(before, biased.parameters().SelectMany(CalibrationNetworks.Values));
        Assert.All(biased.parameters(), parameter => Assert.True(parameter.requires_grad && parameter.grad is null));
    }

    private static double Divergence(Tensor exact, Tensor scores)
    {
        Tensor logP = exact.log_softmax(1), logQ = scores.log_softmax(1);
        return logP.exp().mul(logP.sub(logQ)).sum().ToDouble() / exact.shape[0];
    }

    private sealed class Cancelling(CancellationTokenSource source) : IProgress<double>
    {
        public void Report(double value) => source.Cancel();
    }
}
