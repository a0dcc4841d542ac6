using Curvature.Checkpoints;
using Curvature.Quant.Networks;
using Curvature.Tests.Core.Checkpoints;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Networks;

public sealed class QuantizableNetworkTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    [Fact]
    public void Knows_layers_and_multiply_accumulates_of_a_convolutional_network()
    {
        using LeNet model = new LeNet().to(Here);
        var network = QuantizableNetwork.Of(model, zeros(1, 1, 28, 28, device: Here));
        Assert.True(network.SeesModules);
        Assert.Equal(["conv1", "conv2", "fc1", "fc2", "fc3"], network.Layers.Select(layer => layer.Name));
        Assert.Equal([150, 2400, 48000, 10080, 840], network.Layers.Select(layer => layer.Parameters));
        Assert.Equal([150L * 28 * 28, 2400L * 10 * 10, 48000, 10080, 840], network.Layers.Select(layer => layer.Macs));
        Assert.Equal(network.Layers.Select(layer => layer.Macs), QuantizableNetwork.Of(model, zeros(3, 1, 28, 28, device: Here)).Layers.Select(layer => layer.Macs));
        Assert.Equal(["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight", "fc3.weight"], network.Weights.Names);
        Assert.All(QuantizableNetwork.Of(model).Layers, layer => Assert.Null(layer.Macs));
        Assert.IsType<Conv2d>(network["conv2"].Module);
        Assert.Contains("no layer 'conv3'", Assert.Throws<CurvatureException>(() => network["conv3"]).Message, StringComparison.Ordinal);
        Assert.Contains("The model rejected a sample: inputs of shape [1, 5]", Assert.Throws<CurvatureException>(() => QuantizableNetwork.Of(model, zeros(1, 5, device: Here))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Counts_groups_and_every_call_and_leaves_unknown_what_it_cannot_see()
    {
        using var model = new Assorted();
        model.train();
        model.strided.eval();
        var network = QuantizableNetwork.Of(model, zeros(1, 4, 8, device: Here));
        Dictionary<string, long?> macs = network.Layers.ToDictionary(layer => layer.Name, layer => layer.Macs);
        Assert.Equal(2 * (4L / 2 * 3) * 4 * 8, macs["twice"]); // [4, 2, 3] on 8 positions, called twice
        Assert.Equal(6L * 4 * 2 * 4, macs["strided"]); // [6, 4, 2] on 4 positions
        Assert.Equal(24L * (4 * 2), macs["up"]); // each of 24 inputs goes to 4 channels under a kernel of 2
        Assert.Equal(0, macs["table"]);
        Assert.Null(macs["unused"]);
        Assert.Null(macs["strange"]);
        Assert.Equal(["strange.other"], network.Others);
        Assert.True(model.training && model.twice.training && !model.strided.training);
    }

    [Fact]
    public void A_weight_that_several_layers_share_comes_once_and_a_frozen_one_too()
    {
        using var model = new TiedNetwork();
        var tied = QuantizableNetwork.Of(model, zeros([1, 4], ScalarType.Float64, device: Here));
        Assert.Equal("encoder", Assert.Single(tied.Layers).Name);

        using Sequential frozen = nn.Sequential(("a", nn.Linear(3, 3)), ("b", nn.Linear(3, 3))).to(Here);
        foreach (Tensor parameter in frozen.parameters())
        {
            parameter.requires_grad = false;
        }

        Assert.Equal(["a", "b"], QuantizableNetwork.Of(frozen).Layers.Select(layer => layer.Name));
        using Linear alone = nn.Linear(3, 2).to(Here);
        Assert.Equal(("weight", 6L), (QuantizableNetwork.Of(alone, zeros(1, 3, device: Here)).Layers[0].Name, QuantizableNetwork.Of(alone, zeros(1, 3, device: Here)).Layers[0].Macs));
        using LayerNorm norm = nn.LayerNorm(3).to(Here);
        Assert.Contains("no layer whose weight could be quantized", Assert.Throws<CurvatureException>(() => QuantizableNetwork.Of(norm)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("conv-scripted-f32.pt", "conv1 conv2 fc", "")]
    [InlineData("attention-traced-f64.pt", "embed qkv project up down head", "position")]
    public void TorchScript_gives_names_and_weights_alone(string file, string layers, string others)
    {
        using LoadedModel model = Checkpoint.Load(TorchScriptFileTests.Fixture(file), device: Here);
        var network = QuantizableNetwork.Of(model.Module, zeros(1, device: Here));
        Assert.False(network.SeesModules);
        Assert.Equal(layers, string.Join(' ', network.Layers.Select(layer => layer.Name)));
        Assert.Equal(others, string.Join(' ', network.Others));
        Assert.All(network.Layers, layer => Assert.True(layer.Module is null && layer.Macs is null));
    }

    public void Dispose() => _scope.Dispose();

    private sealed class Assorted : nn.Module<Tensor, Tensor>
    {
        public readonly Conv1d twice = nn.Conv1d(4, 4, 3, padding: 1, groups: 2).to(Here);
        public readonly Conv1d strided = nn.Conv1d(4, 6, 2, stride: 2, bias: false).to(Here);
        public readonly ConvTranspose1d up = new();
        public readonly Linear unused = nn.Linear(2, 2).to(Here);
        public readonly Embedding table = nn.Embedding(5, 3).to(Here);
        public readonly Strange strange = new();

        public Assorted() : base(nameof(Assorted)) => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            table.call(zeros([1, 2], ScalarType.Int64, device: Here));
            return strange.call(up.call(strided.call(twice.call(twice.call(input)))));
        }
    }

    /// <summary>Named as TorchSharp names it: 6 channels to 4, kernel and stride 2.</summary>
    private sealed class ConvTranspose1d : nn.Module<Tensor, Tensor>
    {
        public readonly Parameter weight = new(zeros(6, 4, 2, device: Here));

        public ConvTranspose1d() : base(nameof(ConvTranspose1d)) => RegisterComponents();

        public override Tensor forward(Tensor input) => zeros(input.shape[0], 4, 2 * input.shape[2], device: Here);
    }

    private sealed class Strange : nn.Module<Tensor, Tensor>
    {
        public readonly Parameter weight = new(zeros(2, 2, device: Here)), other = new(zeros(2, 2, device: Here));

        public Strange() : base(nameof(Strange)) => RegisterComponents();

        public override Tensor forward(Tensor input) => input;
    }
}
