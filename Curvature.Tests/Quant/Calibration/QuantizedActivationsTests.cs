using Curvature.Checkpoints;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class QuantizedActivationsTests
{
    [Theory]
    [InlineData(8)]
    [InlineData(4)]
    [InlineData(2)]
    public void A_layer_sees_in_float64_what_the_quantizer_makes_of_its_input(int bits)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(bits);
        // fc1 sees both signs, fc2 what comes out of a ReLU.
        Sequential model = nn.Sequential(("fc1", nn.Linear(7, 5, dtype: ScalarType.Float64)), ("relu", nn.ReLU()), ("fc2", nn.Linear(5, 3, dtype: ScalarType.Float64))).to(Here);
        Tensor x = randn(40, 7, ScalarType.Float64).to(Here);
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, CalibrationNetworks.Batches(x, 16), new ActivationOptions { Range = new MinMaxRange() });
        using IDisposable noGrad = no_grad();
        Linear fc1 = (Linear)network["fc1"].Module!, fc2 = (Linear)network["fc2"].Module!;

        activations.Apply(new Dictionary<string, int> { ["fc1"] = bits, ["fc2"] = bits });
        Tensor y = model.call(x);

        Quantizer signed = bits == 8 ? Quantizer.HawqActivations(8) : Quantizer.HawqActivations(bits) with { Symmetric = false };
        Tensor hidden = nn.functional.linear(Reference(x, signed), fc1.weight, fc1.bias).relu();
        Tensor before = nn.functional.linear(x, fc1.weight, fc1.bias).relu(); // ranges are those of the network in floating point
        QuantizedTensor grid = Quantizer.HawqActivations(bits).Quantize(before);
        AffineCodes codes = grid.Channels[0];
        Tensor quantized = tensor([.. CalibrationNetworks.Values(hidden).Select(v => codes.Value(codes.Code(v)))], device: Here).reshape(hidden.shape);
        Assert.True(y.allclose(nn.functional.linear(quantized, fc2.weight, fc2.bias), 1e-13, 1e-13));
        Assert.Equal(codes, activations.Grid("fc2", bits));
        Assert.Equal(bits == 8 ? -128 : 0, activations.Grid("fc2", bits).Lowest);

        static Tensor Reference(Tensor x, Quantizer quantizer) => quantizer.Quantize(x).Dequantize();
    }

    [Fact]
    public void Ties_go_to_even_and_what_is_outside_of_the_range_is_clipped()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(new Parameter(eye(4, dtype: ScalarType.Float64, device: Here))))).to(Here);
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, [tensor([0, 15.0, 0, 0], device: Here).unsqueeze(0)], new ActivationOptions { Range = new MinMaxRange() });
        activations.Apply(new Dictionary<string, int> { ["fc"] = 4 }); // unsigned, scale 1
        using IDisposable noGrad = no_grad();
        Assert.Equal([0.0, 2, 2, 15], CalibrationNetworks.Values(model.call(tensor([0.5, 1.5, 2.5, 99], device: Here).unsqueeze(0))));
    }

    [Fact]
    public void Disposing_leaves_the_network_as_it_was_and_applying_again_replaces()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        Tensor x = CalibrationNetworks.Images(8, 1);
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, [x]);
        using IDisposable noGrad = no_grad();
        double[] before = CalibrationNetworks.Values(model.call(x));
        activations.Apply(network.Layers.ToDictionary(layer => layer.Name, _ => 2));
        Assert.NotEqual(before, CalibrationNetworks.Values(model.call(x)));
        activations.Apply(network.Layers.ToDictionary(layer => layer.Name, _ => 32));
        Assert.Equal(before, CalibrationNetworks.Values(model.call(x)));
        activations.Apply(new Dictionary<string, int> { ["conv2"] = 3 });
        double[] third = CalibrationNetworks.Values(model.call(x));
        activations.Apply(new Dictionary<string, int> { ["conv2"] = 3 });
        Assert.Equal(third, CalibrationNetworks.Values(model.call(x)));
        activations.Dispose();
        Assert.Equal(before, CalibrationNetworks.Values(model.call(x)));
    }

    [Fact]
    public void Extremes_come_together_as_asked()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(2, 1, dtype: ScalarType.Float64))).to(Here);
        var network = QuantizableNetwork.Of(model);
        Tensor[] batches = [tensor(new[,] { { -1.0, 2 }, { 0, 6 } }, device: Here), tensor(new[,] { { -4.0, 1 } }, device: Here)];
        (double Low, double High) Of(ActivationOptions options)
        {
            using var activations = QuantizedActivations.Calibrate(network, batches, options with { Range = new MinMaxRange() });
            return activations.Extremes("fc");
        }

        Assert.Equal((-4, 6), Of(new ActivationOptions()));
        Assert.Equal((-5.0 / 3, 3), Of(new ActivationOptions { Extremes = ActivationExtremes.MeanOfSamples })); // (-1 + 0 - 4) / 3, (2 + 6 + 1) / 3
        Assert.Equal((-1 - (0.25 * 3), 6 - (0.25 * 5)), Of(new ActivationOptions { Extremes = ActivationExtremes.RunningMean, Momentum = 0.75 }));
    }

    [Fact]
    public void Percentiles_and_least_squares_are_fitted_to_a_seeded_draw_and_beat_the_whole_range()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(0);
        Sequential model = nn.Sequential(("fc", nn.Linear(50, 1, dtype: ScalarType.Float64))).to(Here);
        var network = QuantizableNetwork.Of(model);
        Tensor x = randn(200, 50, ScalarType.Float64).to(Here);
        x.narrow(0, 0, 1).narrow(1, 0, 1).fill_(40); // an outlier
        double Error(IQuantizationRange range)
        {
            using var activations = QuantizedActivations.Calibrate(network, CalibrationNetworks.Batches(x, 64), new ActivationOptions { Range = range, Seed = 5 });
            AffineCodes grid = activations.Grid("fc", 4);
            return grid.SquaredError(CalibrationNetworks.Values(x).AsSpan(range is PercentileRange ? 1 : 0));
        }

        double whole = Error(new MinMaxRange()), percentile = Error(new PercentileRange(99.5)), least = Error(new LeastSquaresRange());
        Assert.Equal(least, Error(new LeastSquaresRange()));
        Assert.InRange(percentile, 0, 0.2 * whole); // the outlier aside, which is clipped
        Assert.True(least < 0.9 * whole, $"{least} {whole}");
    }

    [Fact]
    public void Gradients_pass_straight_through_what_is_not_clipped()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(new Parameter(tensor(new[,] { { 1.0, 2, 3 } }, device: Here))))).to(Here);
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, [tensor(new[,] { { 0.0, 1, 3 } }, device: Here)], new ActivationOptions { Range = new MinMaxRange() });
        activations.Apply(new Dictionary<string, int> { ["fc"] = 2 }); // codes 0 to 3
        Tensor x = tensor(new[,] { { 0.4, 1.5, 7 } }, requires_grad: true, device: Here);
        Tensor y = model.call(x);
        y.sum().backward();
        Assert.Equal(0 + (2 * 2) + (3 * 3), y.ToDouble());
        Assert.Equal([1.0, 2, 0], CalibrationNetworks.Values(x.grad!));
    }

    [Fact]
    public void What_cannot_be_quantized_is_said()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel script = Checkpoint.Load(Repository.File("Curvature.Tests/Fixtures/torchscript/tiny.pt"), device: Here);
        string weightsOnly = Assert.Throws<CurvatureException>(() => QuantizedActivations.Calibrate(QuantizableNetwork.Of(script.Module), [zeros(1, 64, device: Here)])).Message;
        Assert.Contains("weights only", weightsOnly, StringComparison.Ordinal);

        Sequential model = nn.Sequential(("table", nn.Embedding(5, 4)), ("fc", nn.Linear(4, 2))).to(Here);
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, [tensor(new long[] { 1, 2, 3 }, device: Here)]);
        Assert.Equal(["fc"], activations.Layers);
        activations.Apply(new Dictionary<string, int> { ["table"] = 4, ["fc"] = 4 }); // indices have no grid: the table is passed over
        using Tensor y = model.call(tensor(new long[] { 1 }, device: Here));
        Assert.Contains("2 to 8 bits", Assert.Throws<CurvatureException>(() => activations.Apply(new Dictionary<string, int> { ["fc"] = 9 })).Message, StringComparison.Ordinal);
        Assert.Contains("'fc'", Assert.Throws<CurvatureException>(() => activations.Grid("other", 4)).Message, StringComparison.Ordinal);
        Assert.Contains("no calibration inputs", Assert.Throws<CurvatureException>(() => QuantizedActivations.Calibrate(network, [])).Message, StringComparison.Ordinal);

        Sequential broken = nn.Sequential(("fc", nn.Linear(2, 2))).to(Here);
        Assert.Contains("'fc'", Assert.Throws<NonFiniteException>(() => QuantizedActivations.Calibrate(QuantizableNetwork.Of(broken), [full(1, 2, double.NaN, ScalarType.Float32, device: Here)])).Message, StringComparison.Ordinal);
    }
}
