using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Derivatives of GELU in both its forms, beside those of the same function written with erf and tanh, which libtorch differentiates by its own rules.</summary>
public sealed class GeluTests
{
    private static readonly Dictionary<string, (Func<Tensor, Tensor> Function, Func<Tensor, Tensor> Written)> Forms = new()
    {
        ["exact"] = (x => x.gelu(), x => x * (1 + (x / Math.Sqrt(2)).erf()) / 2),
        ["tanh"] = (
            x => jit.load<Tensor, Tensor>(Repository.File("Curvature.Tests/Fixtures/torchscript/gelu-tanh.pt")).call(x),
            x => x * (1 + (Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x.pow(3)))).tanh()) / 2),
    };

    public static TheoryData<string> Names => [.. Forms.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Products_with_a_kept_graph_are_those_of_the_function_written_out(string form)
    {
        using var scope = NewDisposeScope();
        var (f, written) = Forms[form];
        var (ours, x, g) = Backward(f);
        var (theirs, y, h) = Backward(written);
        Same(theirs, ours);
        for (var i = 0; i < 3; i++) // the first product makes what the others use
        {
            var v = randn(64, float64);
            Same(autograd.grad([theirs], [y, h], [v], retain_graph: true), autograd.grad([ours], [x, g], [v], retain_graph: true));
            Same(autograd.grad([theirs], [h], [v], retain_graph: true), autograd.grad([ours], [g], [v], retain_graph: true));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Third_derivatives_are_too_before_and_after_a_product(string form)
    {
        using var scope = NewDisposeScope();
        var (f, written) = Forms[form];
        var (ours, x, g) = Backward(f);
        var (theirs, y, h) = Backward(written);
        var v = randn(64, float64);
        for (var i = 0; i < 2; i++)
        {
            var second = autograd.grad([ours], [x, g], [v], retain_graph: true, create_graph: true);
            var expected = autograd.grad([theirs], [y, h], [v], retain_graph: true, create_graph: true);
            Same(autograd.grad([expected[0].square().sum() + expected[1].square().sum()], [y, h], retain_graph: true), autograd.grad([second[0].square().sum() + second[1].square().sum()], [x, g], retain_graph: true));
            autograd.grad([ours], [x, g], [v], retain_graph: true);
        }
    }

    [Fact]
    public void In_single_precision_the_product_keeps_its_digits_where_the_function_is_flat()
    {
        using var scope = NewDisposeScope();
        var x = ((arange(241, float32) - 120) / 4).requires_grad_();
        var gradient = autograd.grad([x.gelu().sum()], [x], retain_graph: true, create_graph: true)[0];
        var product = autograd.grad([gradient], [x], [ones(241)])[0].to(float64);
        var at = x.detach().to(float64);
        Assert.InRange((product - ((at.square() * -0.5).exp() * (2 - at.square()) / Math.Sqrt(2 * Math.PI))).abs().max().ToDouble(), 0, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Products_of_inputs_of_any_size_are_finite(string form)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { float32, float64 })
        {
            var x = tensor(new[] { -1e30, -1e10, -300, -25, -12, 12, 25, 300, 1e10, 1e30 }, dtype: dtype).requires_grad_();
            var gradient = autograd.grad([Forms[form].Function(x).sum()], [x], retain_graph: true, create_graph: true)[0];
            var product = autograd.grad([gradient], [x], [ones(10, dtype)])[0];
            Assert.InRange(product.abs().max().ToDouble(), 0, 1e-20);
        }
    }

    /// <summary><c>g f'(x)</c> with its graph.</summary>
    private static (Tensor Value, Tensor X, Tensor G) Backward(Func<Tensor, Tensor> f)
    {
        using var generator = new Generator(7);
        var x = (2 * randn(64, float64, generator: generator)).requires_grad_();
        var g = randn(64, float64, generator: generator).requires_grad_();
        return (autograd.grad([f(x)], [x], [g], retain_graph: true, create_graph: true)[0], x, g);
    }

    private static void Same(IList<Tensor> expected, IList<Tensor> actual)
    {
        foreach (var (e, a) in expected.Zip(actual))
        {
            Same(e, a);
        }
    }

    private static void Same(Tensor expected, Tensor actual) => Assert.InRange((expected - actual).abs().max().ToDouble(), 0, 1e-12 * (1 + expected.abs().max().ToDouble()));
}
