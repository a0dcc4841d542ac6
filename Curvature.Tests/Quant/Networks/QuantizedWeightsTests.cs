using Curvature.Checkpoints;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Networks;

public sealed class QuantizedWeightsTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly LeNet _model = new();

    [Fact]
    public void Weights_are_on_their_grids_and_then_back_bit_for_bit()
    {
        var network = QuantizableNetwork.Of(_model);
        Tensor[] before = [.. network.Layers.Select(layer => layer.Weight.detach().clone())];
        using (QuantizedWeights quantized = QuantizedWeights.Apply(network, new Dictionary<string, int> { ["conv1"] = 2, ["fc3"] = 8, ["fc1"] = 32 }))
        {
            Assert.True(network["fc1"].Weight.Equals(before[2]) && network["fc2"].Weight.Equals(before[3]));
            Assert.Equal(["conv1", "fc3"], quantized.SquaredErrors.Keys.Order());
            Assert.Equal((6, 10), (quantized.Grids["conv1"].Count, quantized.Grids["fc3"].Count));
            Assert.Equal(network["conv1"].Weight.sub(before[0]).square().sum().ToDouble(), quantized.SquaredErrors["conv1"], 1e-5);
            Assert.InRange(network["conv1"].Weight[0].unique().output.numel(), 2, 4); // 2 bits
            Assert.True(quantized.SquaredErrors["fc3"] < 1e-4 && quantized.SquaredErrors["fc3"] > 0);
        }

        Assert.All(network.Layers.Zip(before), pair => Assert.True(pair.First.Weight.Equals(pair.Second)));
    }

    [Theory]
    [InlineData("conv3", 4, "no layer 'conv3'")]
    [InlineData("fc3", 9, "Layer 'fc3': Expected 2 to 8 bits, got 9")]
    public void What_cannot_be_changes_nothing(string layer, int bits, string expected)
    {
        var network = QuantizableNetwork.Of(_model);
        using Tensor before = network.Weights.Snapshot();
        Assert.Contains(expected, Assert.Throws<CurvatureException>(() => QuantizedWeights.Apply(network, new Dictionary<string, int> { ["conv1"] = 2, [layer] = bits })).Message, StringComparison.Ordinal);
        using Tensor after = network.Weights.Snapshot();
        Assert.True(before.Equals(after));
    }

    [Fact]
    public void Another_quantizer_can_be_asked_for()
    {
        using QuantizedWeights quantized = QuantizedWeights.Apply(
            QuantizableNetwork.Of(_model), new Dictionary<string, int> { ["conv1"] = 3 }, bits => new Quantizer { Bits = bits, PerChannel = false, Symmetric = false });
        Assert.Single(quantized.Grids["conv1"]);
    }

    public void Dispose()
    {
        _model.Dispose();
        _scope.Dispose();
    }
}
