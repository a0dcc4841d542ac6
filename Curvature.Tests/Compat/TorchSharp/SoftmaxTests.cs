using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Derivatives of softmax beside those of the same function written with exp, which libtorch differentiates by its own rules.</summary>
public sealed class SoftmaxTests
{
    private static readonly Dictionary<string, (long[] Shape, long Dimension, bool IsMasked)> Cases = new()
    {
        ["vector"] = ([5], -1, false),
        ["rows"] = ([4, 7], 1, false),
        ["columns"] = ([4, 7], 0, false),
        ["masked"] = ([3, 6, 6], -1, true),
        ["rows for two threads"] = ([8, 96, 96], -1, true),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Second_and_third_derivatives_are_those_of_the_function_written_out(string name)
    {
        using var scope = NewDisposeScope();
        var (shape, dimension, isMasked) = Cases[name];
        using var generator = new Generator(7);
        Tensor x = randn(shape, float64, generator: generator), g = randn(shape, float64, generator: generator), v = randn(shape, float64, generator: generator);
        var future = isMasked ? ones(shape[^1], shape[^1], dtype: ScalarType.Bool).triu(1) : zeros(1, dtype: ScalarType.Bool);
        var expected = Derivatives(t => Written(t, future, dimension), x, g, v);
        var actual = Derivatives(t => t.masked_fill(future, double.NegativeInfinity).softmax(dimension), x, g, v);
        var single = Derivatives(t => t.masked_fill(future, double.NegativeInfinity).softmax(dimension), x.to(float32), g.to(float32), v.to(float32));
        for (var i = 0; i < expected.Length; i++)
        {
            var scale = 1 + expected[i].abs().max().ToDouble();
            Assert.InRange((expected[i] - actual[i]).abs().max().ToDouble(), 0, 1e-12 * scale);
            Assert.InRange((expected[i] - single[i].to(float64)).abs().max().ToDouble(), 0, 1e-5 * scale);
        }
    }

    private static Tensor Written(Tensor x, Tensor future, long dimension)
    {
        var weights = x.exp().masked_fill(future, 0);
        return weights / weights.sum(dimension, keepdim: true);
    }

    /// <summary>Of <c>g^T softmax(x)</c>: products with the second derivatives in x and g, taken twice, and the gradient of their squares.</summary>
    private static Tensor[] Derivatives(Func<Tensor, Tensor> f, Tensor x, Tensor g, Tensor v)
    {
        Tensor[] inputs = [x.detach().clone().requires_grad_(), g.detach().clone().requires_grad_()];
        var gradient = autograd.grad([f(inputs[0])], [inputs[0]], [inputs[1]], retain_graph: true, create_graph: true);
        var first = autograd.grad(gradient, inputs, [v], retain_graph: true);
        var second = autograd.grad(gradient, inputs, [v], retain_graph: true, create_graph: true);
        var third = autograd.grad([second[0].square().sum() + second[1].square().sum()], inputs, retain_graph: true);
        var again = autograd.grad(gradient, inputs, [v], retain_graph: true);
        return [.. first, .. second, .. third, .. again];
    }
}
