using Curvature.Checkpoints;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class BatchNormTuningTests
{
    [Fact]
    public void Statistics_become_those_of_the_calibration_data_and_go_back()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional(ScalarType.Float64);
        Tensor x = CalibrationNetworks.Images(60, 5, ScalarType.Float64).mul(2);
        var bn1 = (BatchNorm2d)model[1];
        double[] before = State(model);
        double?[] momenta = [.. model.modules().OfType<BatchNorm>().Select(norm => norm.momentum)];
        using (BatchNormTuning tuning = BatchNormTuning.Apply(model, CalibrationNetworks.Batches(x, 40))) // batches of 40 and 20
        {
            Assert.Equal(2, tuning.Norms);
            using IDisposable noGrad = no_grad();
            Tensor z = ((Conv2d)model[0]).call(x).transpose(0, 1).flatten(1); // [C, N H W]
            Assert.True(bn1.running_mean!.allclose(z.mean([1]), 1e-12));
            double[] variances = [.. Enumerable.Range(0, 4).Select(c =>
                (z.select(0, c).narrow(0, 0, 40 * 64).var().ToDouble() * 2 / 3) + (z.select(0, c).narrow(0, 40 * 64, 20 * 64).var().ToDouble() / 3))];
            Assert.All(variances.Zip(CalibrationNetworks.Values(bn1.running_var!)), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
            Assert.Equal(momenta, model.modules().OfType<BatchNorm>().Select(norm => norm.momentum));
            Assert.All(model.modules(), module => Assert.False(module.training));
        }

        Assert.Equal(before, State(model));
        using (BatchNormTuning kept = BatchNormTuning.Apply(model, [x]))
        {
            kept.Keep();
        }

        Assert.NotEqual(before, State(model));
    }

    [Fact]
    public void Takes_back_some_of_what_quantization_does_to_a_network_with_norms()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        Tensor x = CalibrationNetworks.Images(200, 9), unseen = CalibrationNetworks.Images(200, 10);
        var network = QuantizableNetwork.Of(model);
        using IDisposable noGrad = no_grad();
        Tensor exact = model.call(unseen);
        using var quantized = QuantizedLayers.Apply(network, [.. network.Layers.Take(2).Select(layer => QuantizedLayer.Round(layer, 2))]);
        double rounded = model.call(unseen).sub(exact).square().mean().ToDouble();
        using var tuning = BatchNormTuning.Apply(model, CalibrationNetworks.Batches(x, 50));
        double tuned = model.call(unseen).sub(exact).square().mean().ToDouble();
        Assert.True(tuned < 0.85 * rounded, $"{rounded} {tuned}");
    }

    [Fact]
    public void Cancelling_and_TorchScript()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        double[] before = State(model);
        using var cancel = new CancellationTokenSource();
        IEnumerable<Tensor> Inputs()
        {
            yield return CalibrationNetworks.Images(20, 1);
            cancel.Cancel();
            yield return CalibrationNetworks.Images(20, 2);
        }

        Assert.Throws<OperationCanceledException>(() => BatchNormTuning.Apply(model, Inputs(), cancellation: cancel.Token));
        Assert.Equal(before, State(model));
        Assert.Contains("no calibration inputs", Assert.Throws<CurvatureException>(() => BatchNormTuning.Apply(model, [])).Message, StringComparison.Ordinal);
        Assert.Equal(before, State(model));
        using LoadedModel script = Checkpoint.Load(Repository.File("Curvature.Tests/Fixtures/torchscript/tiny.pt"), device: Here);
        Assert.Contains("TorchScript", Assert.Throws<CurvatureException>(() => BatchNormTuning.Apply(script.Module, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Statistics_that_are_not_finite_and_inputs_that_do_not_fit_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 3)), ("bn", nn.BatchNorm1d(3))).to(Here);
        double[] before = State(model);
        CurvatureException single = Assert.ThrowsAny<CurvatureException>(() => BatchNormTuning.Apply(model, CalibrationNetworks.Batches(randn(5, 4).to(Here), 2))); // 2, 2 and 1
        Assert.Equal(before, State(model));
        Assert.Contains("'bn'", Assert.Throws<NonFiniteException>(() => BatchNormTuning.Apply(model, [full([2, 4], double.NaN, device: Here)])).Message, StringComparison.Ordinal);
        Assert.Contains("rejected calibration batch 0", Assert.Throws<CurvatureException>(() => BatchNormTuning.Apply(model, [randn(5, 7).to(Here)])).Message, StringComparison.Ordinal);
        Assert.Equal(before, State(model));
        Assert.Contains(single is NonFiniteException ? "two samples or more" : "more than 1 value per channel", single.Message, StringComparison.Ordinal); // some engines refuse such a batch themselves
    }

    private static double[] State(Sequential model) => [.. model.state_dict().Values.SelectMany(CalibrationNetworks.Values)];
}
