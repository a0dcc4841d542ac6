using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class QuantizedLayersTests
{
    [Fact]
    public void A_bias_that_layers_share_goes_back_to_the_network_s_own()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        var bias = new Parameter(randn(4).to(Here));
        Sequential model = nn.Sequential(("fc1", nn.Linear(new Parameter(randn(4, 4).to(Here)), bias)), ("fc2", nn.Linear(new Parameter(randn(4, 4).to(Here)), bias)));
        var network = QuantizableNetwork.Of(model);
        double[] before = CalibrationNetworks.Values(bias);
        using (QuantizedLayers.Apply(network, [With(network["fc1"], 5), With(network["fc2"], 7)]))
        {
            Assert.All(CalibrationNetworks.Values(bias), value => Assert.Equal(7, value));
        }

        Assert.Equal(before, CalibrationNetworks.Values(bias));
    }

    private static QuantizedLayer With(WeightLayer layer, double bias) => new(layer.Name, 4, layer.Weight.detach().clone(), []) { Bias = full(4, bias, device: Here) };
}
