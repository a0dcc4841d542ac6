using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Tensors;

public sealed class ParameterSpaceTests
{
    [Fact]
    public void Vectors_of_a_single_parameter_have_memory_of_their_own()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor weight = ones(3, device: Here), part = ones(3, device: Here);
        ParameterSpace space = new([("weight", weight)]);
        Tensor snapshot = space.Snapshot(), flat = space.Flatten([part]);
        weight.mul_(2);
        part.mul_(2);
        Assert.Equal([1f, 1f, 1f], snapshot.cpu().data<float>().ToArray());
        Assert.Equal([1f, 1f, 1f], flat.cpu().data<float>().ToArray());
    }

    [Fact]
    public void Splitting_undoes_flattening()
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterSpace space = ParameterSpace.Of(Net());
        Tensor[] parts = [.. space.Parameters.Select(p => randn(p.shape).to(Here))];
        Tensor flat = space.Flatten(parts);
        Assert.Equal([space.Count], flat.shape);
        Assert.All(space.Split(flat).Zip(parts), pair => Assert.True(pair.First.Equals(pair.Second)));
    }

    [Fact]
    public void Layers_are_the_modules_that_own_the_parameters()
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterSpace space = ParameterSpace.Of(Net());
        Assert.Equal(["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"], space.Names);
        Assert.Equal([("fc1", 15L), ("fc2", 8L)], space.Layers.Select(l => (l.Name, l.Count)));
        Assert.Equal(23, space.Count);
    }

    [Theory]
    [InlineData("fc1.*", 2)]
    [InlineData("*.weight", 2)]
    [InlineData("fc1.weight, fc2.bias", 2)]
    [InlineData("fc?.bias", 2)]
    public void A_glob_chooses_by_name(string glob, int expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(expected, ParameterSpace.Of(Net(), glob).Names.Count);
    }

    [Fact]
    public void An_empty_choice_lists_the_names_there_are()
    {
        using DisposeScope scope = NewDisposeScope();
        string message = Assert.Throws<CurvatureException>(() => ParameterSpace.Of(Net(), "conv*")).Message;
        Assert.Contains("conv*", message, StringComparison.Ordinal);
        Assert.Contains("fc1.weight", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Frozen_parameters_are_left_out_and_all_frozen_is_an_error()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential net = Net();
        foreach ((string name, Parameter parameter) in net.named_parameters())
        {
            parameter.requires_grad = name.StartsWith("fc2", StringComparison.Ordinal);
        }

        Assert.Equal(["fc2.weight", "fc2.bias"], ParameterSpace.Of(net).Names);
        Assert.Contains("frozen", Assert.Throws<CurvatureException>(() => ParameterSpace.Of(net, "fc1.*")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_shapes_mixed_dtypes_and_repeated_names_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterSpace space = ParameterSpace.Of(Net());
        Assert.Throws<CurvatureException>(() => space.Split(zeros(22, device: Here)));
        Assert.Throws<CurvatureException>(() => space.Flatten([zeros(1, device: Here)]));
        Assert.Throws<CurvatureException>(() => new ParameterSpace([]));
        Assert.Throws<CurvatureException>(() => new ParameterSpace([("a", zeros(1, device: Here)), ("b", zeros(1, ScalarType.Float64, device: Here))]));
        Assert.Throws<CurvatureException>(() => new ParameterSpace([("a", zeros(1, device: Here)), ("a", zeros(2, device: Here))]));
    }

    [Fact]
    public void A_snapshot_can_be_put_back()
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterSpace space = ParameterSpace.Of(Net());
        Tensor before = space.Snapshot();
        space.Assign(zeros(space.Count, device: Here));
        Assert.Equal(0, space.Snapshot().abs().sum().ToDouble());
        space.Assign(before);
        Assert.True(space.Snapshot().Equals(before));
        Assert.True(space.Parameters[0].requires_grad);
    }

    private static Sequential Net() => nn.Sequential(("fc1", nn.Linear(4, 3)), ("act", nn.Tanh()), ("fc2", nn.Linear(3, 2))).to(Here);
}
