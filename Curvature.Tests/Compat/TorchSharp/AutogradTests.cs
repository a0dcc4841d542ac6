using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>First and second derivatives, and the rules of grad, backward and the gradient modes.</summary>
public sealed class AutogradTests
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> Functions = new()
    {
        ["tanh"] = x => x.tanh(),
        ["sigmoid"] = x => x.sigmoid(),
        ["exp"] = x => x.exp(),
        ["log1p"] = x => x.square().log1p(),
        ["sqrt"] = x => (x.square() + 1).sqrt(),
        ["rsqrt"] = x => (x.square() + 1).rsqrt(),
        ["erf"] = x => x.erf(),
        ["silu"] = x => x.silu(),
        ["power and quotient"] = x => x.pow(3) / (1 + x.square()),
        ["softmax"] = x => x.reshape(2, 3).softmax(1).square(),
        ["log softmax"] = x => x.reshape(2, 3).log_softmax(1).select(1, 0).square(),
        ["logsumexp"] = x => x.logsumexp(0),
        ["norm"] = x => x.norm(),
        ["matmul"] = x => x.reshape(2, 3).matmul(x.reshape(3, 2)).square(),
        ["einsum"] = x => einsum("i,j,k->", x, x, x.tanh()),
        ["index"] = x => x[tensor(new[] { 0L, 0, 5 })].pow(3),
        ["slice and cat"] = x => cat([x[..3], x[3..] * x[..3]]).pow(3),
        ["cumsum"] = x => x.cumsum(0).pow(3),
        ["where"] = x => where(x > 0, x.pow(3), x.square()),
        ["cholesky"] = x => linalg.cholesky(x.outer(x) + 3 * eye(6, dtype: float64)).square(),
        ["solve"] = x => linalg.solve(x.outer(x) + eye(6, dtype: float64), x),
        ["eigvalsh"] = x => linalg.eigvalsh(x.outer(x.exp()) + x.exp().outer(x) + 9 * arange(6, float64).diag()).square(),
    };

    public static TheoryData<string> Names => [.. Functions.Keys];

    // Central differences of the gradient: error O(eps^2) + rounding 1e-16/eps, so eps = 1e-5 gives about 1e-10 relative to third derivatives of order 10.
    [Theory]
    [MemberData(nameof(Names))]
    public void A_Hessian_product_by_double_backward_agrees_with_differences_of_the_gradient(string name)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var f = Functions[name];
        var at = randn(6, float64, generator: generator);
        var v = randn(6, float64, generator: generator);
        const double eps = 1e-5;

        var x = at.clone().requires_grad_();
        var gradient = autograd.grad([f(x).sum()], [x], retain_graph: true, create_graph: true)[0];
        var product = autograd.grad([gradient], [x], [v])[0];
        var difference = (Gradient(f, at + eps * v) - Gradient(f, at - eps * v)) / (2 * eps);

        var error = (product - difference).norm().ToDouble() / (1 + difference.norm().ToDouble());
        Assert.True(error < 1e-8, $"{name}: {error}");
    }

    [Fact]
    public void A_graph_that_is_kept_gives_the_same_product_again()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2, 3 }, requires_grad: true);
        var gradient = autograd.grad([x.pow(3).sum()], [x], retain_graph: true, create_graph: true)[0];
        for (var i = 0; i < 3; i++)
        {
            var product = autograd.grad([gradient], [x], [ones_like(x)], retain_graph: true)[0];
            Assert.Equal([6.0, 12, 18], product.data<double>().ToArray());
        }
    }

    [Fact]
    public void The_gradient_of_an_unused_input_is_invalid_and_not_null()
    {
        using var scope = NewDisposeScope();
        var (x, unused) = (ones(2, requires_grad: true), ones(3, requires_grad: true));
        var grads = autograd.grad([x.sum()], [x, unused], allow_unused: true);
        Assert.False(grads[0].IsInvalid);
        Assert.NotNull(grads[1]);
        Assert.True(grads[1].IsInvalid);
    }

    [Fact]
    public void Backward_keeps_the_graph_with_create_graph_unless_told_otherwise()
    {
        using var scope = NewDisposeScope();
        var x = tensor(2.0, requires_grad: true);
        var y = x.pow(3);
        autograd.backward(y, retain_graph: true);
        autograd.backward(y);
        Assert.Equal(24, x.grad!.ToDouble());
        Assert.ThrowsAny<Exception>(() => autograd.backward(y));
    }

    [Fact]
    public void Backward_can_be_limited_to_inputs()
    {
        using var scope = NewDisposeScope();
        var (x, y) = (tensor(2.0, requires_grad: true), tensor(3.0, requires_grad: true));
        autograd.backward([x * y], inputs: [x]);
        Assert.Equal(3, x.grad!.ToDouble());
        Assert.Null(y.grad);
        x.grad = null;
        Assert.Null(x.grad);
        x.grad = tensor(5.0);
        Assert.Equal(5, x.grad!.ToDouble());
    }

    [Fact]
    public void Modes_nest_and_are_restored()
    {
        using var scope = NewDisposeScope();
        var x = ones(1, requires_grad: true);
        Assert.True(is_grad_enabled());
        using (no_grad())
        {
            Assert.False(x.add(x).requires_grad);
            using (enable_grad()) Assert.True(x.add(x).requires_grad);
            Assert.False(is_grad_enabled());
        }
        using (set_grad_enabled(false)) Assert.False(is_grad_enabled());
        using (inference_mode()) Assert.True(is_inference_mode_enabled());
        Assert.True(is_grad_enabled());
        Assert.False(is_inference_mode_enabled());
    }

    [Fact]
    public void The_gradient_mode_is_the_threads_own()
    {
        using var off = no_grad();
        var elsewhere = false;
        var thread = new Thread(() => elsewhere = is_grad_enabled());
        thread.Start();
        thread.Join();
        Assert.True(elsewhere);
    }

    [Fact]
    public void A_detached_tensor_shares_memory_and_has_no_history()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, requires_grad: true);
        var y = x.mul(2);
        Assert.False(y.is_leaf);
        Assert.True(y.detach().is_leaf);
        Assert.False(y.detach().requires_grad);
        y.retain_grad();
        y.sum().backward();
        Assert.Equal([1f, 1f], y.grad!.data<float>().ToArray());
    }

    private static Tensor Gradient(Func<Tensor, Tensor> f, Tensor at)
    {
        var x = at.detach().requires_grad_();
        return autograd.grad([f(x).sum()], [x])[0];
    }
}
