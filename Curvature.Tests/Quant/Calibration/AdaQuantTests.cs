using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class AdaQuantTests
{
    [Theory]
    [InlineData(2, AdaQuantVariant.Parallel, true)]
    [InlineData(3, AdaQuantVariant.Sequential, true)]
    [InlineData(4, AdaQuantVariant.Parallel, false)]
    public void Is_never_worse_than_rounding_on_its_own_objective(int bits, AdaQuantVariant variant, bool quantizesInputs)
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        Tensor x = CalibrationNetworks.Images(64, 7);
        Tensor[] inputs = CalibrationNetworks.Batches(x, 40);
        var network = QuantizableNetwork.Of(model);
        using QuantizedActivations? activations = quantizesInputs ? QuantizedActivations.Calibrate(network, inputs) : null;
        double[] before = [.. model.parameters().SelectMany(CalibrationNetworks.Values)];

        IReadOnlyList<QuantizedLayer> layers = new AdaQuant { Steps = 40, BatchSize = 32, Variant = variant }.Calibrate(network, inputs, All(network, bits), activations);

        Assert.Equal(before, model.parameters().SelectMany(CalibrationNetworks.Values)); // the network is as it was
        Assert.Equal(["conv1", "conv2", "fc"], layers.Select(layer => layer.Name));
        Assert.All(layers, layer => Assert.True(layer.Error <= layer.StartError, $"{layer.Name}: {layer.StartError} {layer.Error}"));
        Assert.InRange(layers.Sum(layer => Math.Log(layer.Error!.Value / layer.StartError!.Value)), double.NegativeInfinity, -0.1);
        Assert.True(layers[1].Bias is null && layers[0].Bias is not null);

        // What is said of the errors, from first principles: the layer's outputs in floating point against those of what came out.
        using IDisposable noGrad = no_grad();
        foreach (QuantizedLayer layer in variant == AdaQuantVariant.Parallel ? layers : [layers[0]])
        {
            (Tensor input, Func<Tensor, Tensor, Tensor?, Tensor> function, Tensor weight, Tensor? bias) = Exact(model, layer.Name, x);
            Tensor exact = function(input, weight, bias), quantizedInput = layer.Input is { } grid ? Quantized(input, grid) : input;
            double error = function(quantizedInput, layer.Weight, layer.Bias ?? bias).sub(exact).square().mean().ToDouble();
            Assert.Equal(error, layer.Error!.Value, 1e-5 * error);
            double[] values = CalibrationNetworks.Values(layer.Weight);
            int each = values.Length / layer.Grids.Count;
            Assert.All(values.Select((v, i) => (v, i)), pair => Assert.Equal((float)layer.Grids[pair.i / each].Value(layer.Grids[pair.i / each].Code(pair.v)), (float)pair.v)); // on the grid
            Assert.Equal(quantizesInputs ? bits : null, layer.InputBits);
        }

        foreach (QuantizedLayer layer in layers)
        {
            layer.Dispose();
        }
    }

    [Fact]
    public void Recovers_exactly_a_layer_whose_weights_lie_on_the_grid()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(4);
        Tensor codes = randint(-7, 8, new long[] { 5, 6 }, ScalarType.Float64).to(Here);
        codes.narrow(1, 0, 1).fill_(7); // the largest code of each channel: min-max finds the grid
        Sequential model = nn.Sequential(("fc", nn.Linear(new Parameter(codes.mul(0.25)), new Parameter(randn(5, ScalarType.Float64).to(Here))))).to(Here);
        Tensor[] inputs = [randn(64, 6, ScalarType.Float64).to(Here)];
        var network = QuantizableNetwork.Of(model);
        QuantizedLayer layer = new AdaQuant().Calibrate(network, inputs, All(network, 4)).Single();
        Assert.Equal((0.0, 0.0, 0), (layer.StartError!.Value, layer.Error!.Value, layer.Steps));
        Assert.Equal(CalibrationNetworks.Values(model.parameters().First()), CalibrationNetworks.Values(layer.Weight));

        // From a scale that is 6 % too large rounding finds the codes and not the values: the scale is learned.
        AdaQuant fromWrongScales = new() { Quantizer = bits => Quantizer.HawqWeights(bits) with { Range = new WiderRange(1.06) } };
        QuantizedLayer learned = fromWrongScales.Calibrate(network, inputs, All(network, 4)).Single();
        Assert.InRange(learned.Error!.Value, 0, 0.01 * learned.StartError!.Value);
        Assert.All(learned.Grids, grid => Assert.Equal(0.25, grid.Scale, 0.002));
        layer.Dispose();
        learned.Dispose();
    }

    [Theory]
    [InlineData(2, 0.7)]
    [InlineData(3, 1)]
    [InlineData(4, 1)]
    public void On_digits_the_loss_is_better_than_with_weights_and_activations_rounded_to_nearest(int bits, double share)
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel digits = CalibrationNetworks.Digits();
        using Dataset data = CalibrationNetworks.DigitsData(1797), calibration = CalibrationNetworks.DigitsData(500, seed: 3);
        Tensor[] inputs = CalibrationNetworks.Batches(calibration.Inputs, 50);
        var network = QuantizableNetwork.Of(digits.Module);
        using var activations = QuantizedActivations.Calibrate(network, inputs);
        double Loss(IReadOnlyList<QuantizedLayer> layers)
        {
            using var quantized = QuantizedLayers.Apply(network, layers);
            return NetworkQuality.Of(digits.Module, data.Batches(500), new CrossEntropy()).Loss;
        }

        double exact = Loss([]);
        double rounded = Loss([.. network.Layers.Select(layer => QuantizedLayer.Round(layer, bits, activations))]);
        double parallel = Loss(new AdaQuant().Calibrate(network, inputs, All(network, bits), activations));
        double sequential = Loss(new AdaQuant { Variant = AdaQuantVariant.Sequential }.Calibrate(network, inputs, All(network, bits), activations));
        Assert.Equal(exact, Loss([]));
        Assert.True(parallel - exact < share * (rounded - exact), $"{exact} {rounded} {parallel}");
        Assert.True(sequential - exact < share * (rounded - exact), $"{exact} {rounded} {sequential}");
    }

    [Fact]
    public void One_seed_gives_one_result_whatever_the_unit_and_memory()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional(ScalarType.Float64);
        Tensor x = CalibrationNetworks.Images(48, 2, ScalarType.Float64);
        var network = QuantizableNetwork.Of(model);
        AdaQuant adaQuant = new() { Steps = 20, BatchSize = 16, Seed = 3 };
        double[] first = Weights(adaQuant, [x]);
        Assert.Equal(first, Weights(adaQuant, [x]));
        Assert.Equal(first, Weights(adaQuant with { Memory = 1 }, [x]));
        Assert.NotEqual(first, Weights(adaQuant with { Seed = 4 }, [x]));

        // conv1 in another unit: powers of two change no rounding.
        double[] conv1 = first[..36];
        using (no_grad())
        {
            ((Conv2d)network["conv1"].Module!).weight.mul_(1024);
            ((Conv2d)network["conv1"].Module!).bias!.mul_(1024);
        }

        Assert.All(conv1.Zip(Weights(adaQuant, [x])[..36]), pair => Assert.Equal(1024 * pair.First, pair.Second, 1e-6 * 1024 * Math.Abs(pair.First)));

        double[] Weights(AdaQuant settings, Tensor[] inputs)
        {
            IReadOnlyList<QuantizedLayer> layers = settings.Calibrate(network, inputs, All(network, 3));
            double[] values = [.. layers.SelectMany(layer => CalibrationNetworks.Values(layer.Weight))];
            foreach (QuantizedLayer layer in layers)
            {
                layer.Dispose();
            }

            return values;
        }
    }

    [Fact]
    public void Other_layers_are_rounded_and_cancelling_leaves_the_network_as_it_was()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        Sequential model = nn.Sequential(("table", nn.Embedding(9, 4)), ("fc", nn.Linear(4, 3)), ("out", nn.Linear(3, 2))).to(Here);
        Tensor[] inputs = [tensor([.. Enumerable.Range(0, 64).Select(i => (long)(i % 9))], device: Here)];
        var network = QuantizableNetwork.Of(model);
        IReadOnlyList<QuantizedLayer> layers = new AdaQuant { Steps = 10 }.CalibrateEach(network, inputs, [4, 2]);
        Assert.Equal([("table", 4), ("table", 2), ("fc", 4), ("fc", 2), ("out", 4), ("out", 2)], layers.Select(layer => (layer.Name, layer.Bits)));
        Assert.Null(layers[0].Error);
        Assert.Equal(CalibrationNetworks.Values(Quantizer.HawqWeights(4).Quantize(network["table"].Weight).Dequantize()), CalibrationNetworks.Values(layers[0].Weight));

        double[] before = [.. model.parameters().SelectMany(CalibrationNetworks.Values)];
        using var cancel = new CancellationTokenSource();
        var told = new Told<AdaQuantProgress>(_ => cancel.Cancel());
        Assert.Throws<OperationCanceledException>(() => new AdaQuant { Variant = AdaQuantVariant.Sequential }.Calibrate(network, inputs, All(network, 2), progress: told, cancellation: cancel.Token));
        Assert.Equal(before, model.parameters().SelectMany(CalibrationNetworks.Values));
        Assert.Contains("in parallel", Assert.Throws<CurvatureException>(() => new AdaQuant { Variant = AdaQuantVariant.Sequential }.CalibrateEach(network, inputs, [4])).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => new AdaQuant { WeightRate = double.NaN }.Calibrate(network, inputs, All(network, 2)));
    }

    [Fact]
    public void Affine_weights_learn_their_zero_points()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(2);
        Sequential model = nn.Sequential(("fc", nn.Linear(new Parameter(rand(4, 8, ScalarType.Float64).to(Here).add(-0.3))))).to(Here);
        Tensor[] inputs = [randn(128, 8, ScalarType.Float64).to(Here)];
        var network = QuantizableNetwork.Of(model);
        Quantizer shifted = new() { Bits = 4, Symmetric = false, Range = new ShiftedRange(-0.3) };
        AffineCodes[] start = [.. shifted.Quantize(network["fc"].Weight).Channels];
        QuantizedLayer layer = new AdaQuant { Quantizer = _ => shifted, WeightRate = 0, WeightRangeRate = 1e-2, Steps = 100 }.Calibrate(network, inputs, All(network, 4)).Single();
        Assert.InRange(layer.Error!.Value, 0, 0.5 * layer.StartError!.Value); // by the ranges alone
        Assert.All(layer.Grids.Zip(start), pair => Assert.True(pair.First.Zero < pair.Second.Zero, $"{pair.Second} {pair.First}")); // the grid comes up again
        Assert.All(layer.Grids, grid => Assert.Equal(0, grid.Value(grid.Code(0))));
        layer.Dispose();
    }

    [Fact]
    public void A_layer_of_many_outputs_learns_as_much_as_one_of_few()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(8);
        const int Copies = 1 << 15; // gradients in V are as much smaller
        Tensor weight = randn(2, 3, ScalarType.Float64).to(Here), repeated = weight.repeat(Copies, 1), x = randn(16, 3, ScalarType.Float64).to(Here);
        AdaQuant adaQuant = new() { Steps = 12, BatchSize = 8, Looks = 1, WeightRangeRate = 5e-3, Quantizer = bits => Quantizer.HawqWeights(bits) with { Range = new WiderRange(1.06) } };
        QuantizedLayer Calibrated(Tensor W)
        {
            var network = QuantizableNetwork.Of(nn.Sequential(("fc", nn.Linear(new Parameter(W)))).to(Here));
            return adaQuant.Calibrate(network, [x], All(network, 3)).Single();
        }

        using QuantizedLayer few = Calibrated(weight), many = Calibrated(repeated);
        Assert.True(few.Error < few.StartError);
        Assert.True(many.Weight.narrow(0, 0, 2).allclose(few.Weight, 1e-6, 0), $"{few.StartError} {few.Error} {many.Error}");
    }

    [Fact]
    public void Widths_that_make_no_sense_are_refused_before_any_work_and_outputs_that_are_not_finite_named()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 3)), ("out", nn.Linear(3, 2))).to(Here);
        Tensor[] inputs = [randn(8, 4).to(Here)];
        var network = QuantizableNetwork.Of(model);
        using var activations = QuantizedActivations.Calibrate(network, inputs);
        int calls = 0;
        model.register_forward_pre_hook((_, input) =>
        {
            calls++;
            return input;
        });
        AdaQuant adaQuant = new() { Steps = 2 };
        Assert.Contains("'fc': expected different widths from 2 to 8 bits", Assert.Throws<CurvatureException>(() => adaQuant.CalibrateEach(network, inputs, [4, 4])).Message, StringComparison.Ordinal);
        Assert.Contains("got 4, 9", Assert.Throws<CurvatureException>(() => adaQuant.CalibrateEach(network, inputs, [4, 9])).Message, StringComparison.Ordinal);
        Assert.Contains("4 with inputs at 16", Assert.Throws<CurvatureException>(() => adaQuant.CalibrateEach(network, inputs, [4], activations, inputBits: 16)).Message, StringComparison.Ordinal);
        Assert.Equal(0, calls);

        using (no_grad())
        {
            ((Linear)model[1]).bias!.fill_(double.NaN);
        }

        Assert.Contains("'out' at 4 bits", Assert.Throws<NonFiniteException>(() => adaQuant.Calibrate(network, inputs, All(network, 4))).Message, StringComparison.Ordinal);
    }

    internal static Dictionary<string, int> All(QuantizableNetwork network, int bits) => network.Layers.ToDictionary(layer => layer.Name, _ => bits);

    private static Tensor Quantized(Tensor x, AffineCodes grid) =>
        tensor([.. CalibrationNetworks.Values(x).Select(v => grid.Value(grid.Code(v)))], device: Here).reshape(x.shape).to(x.dtype);

    private static (Tensor Input, Func<Tensor, Tensor, Tensor?, Tensor> Function, Tensor Weight, Tensor? Bias) Exact(Sequential model, string name, Tensor x)
    {
        Tensor seen = x;
        foreach ((string child, nn.Module module) in model.named_children())
        {
            if (child == name)
            {
                return module switch
                {
                    Conv2d c => (seen, (input, W, b) => nn.functional.conv2d(input, W, b, c.stride, c.padding), c.weight, c.bias),
                    Linear l => (seen, nn.functional.linear, l.weight, l.bias),
                    _ => throw new InvalidOperationException(),
                };
            }

            seen = ((nn.Module<Tensor, Tensor>)module).call(seen);
        }

        throw new InvalidOperationException();
    }

    private sealed record WiderRange(double Factor) : IQuantizationRange
    {
        public (double Low, double High) Of(ReadOnlySpan<double> values, Func<double, double, AffineCodes> codes)
        {
            (double low, double high) = new MinMaxRange().Of(values, codes);
            return (Factor * low, Factor * high);
        }
    }

    private sealed record ShiftedRange(double By) : IQuantizationRange
    {
        public (double Low, double High) Of(ReadOnlySpan<double> values, Func<double, double, AffineCodes> codes)
        {
            (double low, double high) = new MinMaxRange().Of(values, codes);
            return (low + By, high + By);
        }
    }

    private sealed class Told<T>(Action<T> told) : IProgress<T>
    {
        public void Report(T value) => told(value);
    }
}
