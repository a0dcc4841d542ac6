using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Quantizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class ActivationSensitivityTests
{
    [Fact]
    public void Is_the_closed_form_of_a_squared_error()
    {
        using DisposeScope scope = NewDisposeScope();
        (Sequential model, Tensor x, Tensor y) = Regression();
        var network = QuantizableNetwork.Of(model, x.narrow(0, 0, 1));
        Tensor[] inputs = CalibrationNetworks.Batches(x, 7);
        Batch[] batches = [.. inputs.Zip(CalibrationNetworks.Batches(y, 7), (a, b) => new Batch(a, b))];
        using var activations = QuantizedActivations.Calibrate(network, inputs, new ActivationOptions { Range = new MinMaxRange() });
        var objective = Objective.Supervised(model, new MeanSquaredError(), batches);
        LayerTable exact = new ActivationSensitivity { Estimator = new HutchinsonTrace { MaxProbes = 1000 } }.Table(network, objective, inputs, activations, [2, 4]);

        // The mean over 20 samples and 3 outputs of |W a + b - y|^2: the Hessian in one sample's a is 2/3 W' W.
        using IDisposable noGrad = no_grad();
        TableLayer fc2 = exact.Layers[1];
        Assert.Equal((5L, 15L), (fc2.Parameters, fc2.Macs!.Value));
        Assert.Equal(2.0 / 3 * ((Linear)model[2]).weight.square().sum().ToDouble() / 5, fc2.AverageTrace!.Value, 1e-12);
        Assert.Null(fc2.TraceStandardError); // exact
        Tensor a = ((Linear)model[0]).call(x).relu();
        Assert.All([2, 4], bits => Assert.Equal(Quantizer.HawqActivations(bits).Quantize(a).SquaredError / 20, fc2.Error![bits], 1e-12));

        // fc1 through the ReLU: W2 D W1 for each sample.
        double trace = 0;
        for (int i = 0; i < 20; i++)
        {
            Tensor jacobian = ((Linear)model[2]).weight.mul(a.select(0, i).gt(0).to(ScalarType.Float64)).mm(((Linear)model[0]).weight);
            trace += 2.0 / 3 * jacobian.square().sum().ToDouble() / 20;
        }

        Assert.Equal(trace / 4, exact.Layers[0].AverageTrace!.Value, 1e-12);

        LayerTable estimated = new ActivationSensitivity().Table(network, objective, inputs, activations, [4]);
        Assert.All(estimated.Layers.Zip(exact.Layers), pair =>
            Assert.InRange(pair.First.AverageTrace!.Value - pair.Second.AverageTrace!.Value, -4 * pair.First.TraceStandardError!.Value, 4 * pair.First.TraceStandardError.Value));
    }

    [Fact]
    public void Objectives_that_do_not_fit_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        (Sequential model, Tensor x, Tensor y) = Regression();
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, [x]);
        var sum = Objective.Supervised(model, new MeanSquaredError(new LossOptions { Reduction = Reduction.Sum }), [new Batch(x, y)]);
        Assert.Contains("mean", Assert.Throws<CurvatureException>(() => new ActivationSensitivity().Table(network, sum, [x], activations, [4])).Message, StringComparison.Ordinal);
        var other = Objective.Supervised(model, new MeanSquaredError(), [new Batch(x, y)]);
        Assert.Contains("20 samples, the inputs have 12", Assert.Throws<CurvatureException>(() => new ActivationSensitivity().Table(network, other, [x.narrow(0, 0, 12)], activations, [4])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_network_is_looked_at_in_evaluation_mode_and_a_model_that_is_a_layer_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        (Sequential plain, Tensor x, Tensor y) = Regression();
        Sequential model = nn.Sequential(("fc1", (Linear)plain[0]), ("norm", nn.BatchNorm1d(5, dtype: ScalarType.Float64)), ("fc2", (Linear)plain[2])).to(Here);
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, [x]);
        var objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(x, y)]);
        double[] Traces() => [.. new ActivationSensitivity { Estimator = new HutchinsonTrace { MaxProbes = 1000 } }.Table(network, objective, [x], activations, [4]).Layers.Select(layer => layer.AverageTrace!.Value)];
        model.train();
        double[] training = Traces();
        Assert.All(model.modules(), module => Assert.True(module.training));
        model.eval();
        Assert.Equal(Traces(), training);

        Linear alone = nn.Linear(4, 3, dtype: ScalarType.Float64).to(Here);
        var single = QuantizableNetwork.Of(alone);
        using var ranges = QuantizedActivations.Calibrate(single, [x]);
        var ofAlone = Objective.Supervised(alone, new MeanSquaredError(), [new Batch(x, y)]);
        Assert.Contains("nn.Sequential", Assert.Throws<CurvatureException>(() => new ActivationSensitivity().Table(single, ofAlone, [x], ranges, [4])).Message, StringComparison.Ordinal);
    }

    private static (Sequential Model, Tensor X, Tensor Y) Regression()
    {
        manual_seed(6);
        Sequential model = nn.Sequential(("fc1", nn.Linear(4, 5, dtype: ScalarType.Float64)), ("relu", nn.ReLU()), ("fc2", nn.Linear(5, 3, dtype: ScalarType.Float64))).to(Here);
        return (model, randn(20, 4, ScalarType.Float64).to(Here), randn(20, 3, ScalarType.Float64).to(Here));
    }
}
