using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

public class ResNet20Tests
{
    [Fact]
    public void It_has_twenty_layers_and_two_shortcuts_with_names_of_torchvision()
    {
        using var model = new ResNet20();
        string[] weights = [.. model.named_parameters().Where(p => p.parameter.dim() > 1).Select(p => p.name)];
        Assert.Equal(22, weights.Length);
        Assert.Equal(["layer2.0.downsample.0.weight", "layer3.0.downsample.0.weight"], weights.Where(name => name.Contains("downsample", StringComparison.Ordinal)));
        Assert.Equal("conv1.weight", weights[0]);
        Assert.Contains("layer1.2.conv2.weight", weights);
        Assert.Equal("fc.weight", weights[^1]);
        Assert.Equal(21, model.modules().OfType<BatchNorm2d>().Count());
    }

    [Fact]
    public void Convolutions_start_with_the_variance_of_He()
    {
        manual_seed(0);
        using var model = new ResNet20();
        foreach (Conv2d convolution in model.modules().OfType<Conv2d>().Where(c => c.weight.numel() > 4000))
        {
            double expected = 2.0 / (convolution.out_channels * 9), found = convolution.weight.pow(2).mean().ToDouble();
            Assert.InRange(found / expected, 0.85, 1.15); // 4,608 entries at least: a standard error of 2 %
        }
    }

    [Fact]
    public void Its_hessian_has_the_traces_of_its_gauss_newton_matrix()
    {
        manual_seed(0);
        using var model = new ResNet20();
        model.eval();
        using Tensor x = randn(4, 1, 28, 28), y = tensor(new long[] { 0, 3, 5, 9 });
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(x, y)], ParameterSpace.Of(model, "*conv*.weight,*downsample.0.weight,fc.weight"));
        ExactTraceEstimate traces = new ExactLayerTraces().Estimate(objective, model);
        Assert.True(traces.IsHessian, traces.Layers.FirstOrDefault(layer => !layer.IsHessian)?.Obstacle);
        Assert.Equal(22, traces.Layers.Count);
    }
}
