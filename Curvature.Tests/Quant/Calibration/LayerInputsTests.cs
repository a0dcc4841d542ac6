using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class LayerInputsTests
{
    [Fact]
    public void All_samples_come_in_their_order_and_nothing_stays_behind_where_a_layer_has_no_one_shape()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(3);
        using var model = new Folded();
        var network = QuantizableNetwork.Of(model);
        Tensor x = randn(10, 4).to(Here);
        Tensor[] batches = CalibrationNetworks.Batches(x, 4);
        Dictionary<string, Tensor> found = LayerInputs.Capture(network, [network["first"]], batches, OneRank.Instance, default);
        Assert.Equal(CalibrationNetworks.Values(x), CalibrationNetworks.Values(found["first"]));
        GC.Collect(); // what other tests left to the finalizer is not to be counted
        GC.WaitForPendingFinalizers();
        long before = Tensor.TotalCount;
        Assert.Contains("'second'", Assert.Throws<CurvatureException>(() => LayerInputs.Capture(network, network.Layers.ToArray(), batches, OneRank.Instance, default)).Message, StringComparison.Ordinal);
        Assert.Equal(before, Tensor.TotalCount);
        found["first"].Dispose();
    }

    /// <summary>Calls its second layer with rows, and with rows that have a dimension more.</summary>
    private sealed class Folded : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _first = nn.Linear(4, 4).to(Here), _second = nn.Linear(4, 2).to(Here);

        public Folded() : base(nameof(Folded))
        {
            register_module("first", _first);
            register_module("second", _second);
        }

        public override Tensor forward(Tensor input)
        {
            Tensor hidden = _first.call(input);
            return _second.call(hidden).add(_second.call(hidden.unsqueeze(1)).squeeze(1));
        }
    }
}
