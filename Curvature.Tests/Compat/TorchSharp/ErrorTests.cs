using System.Runtime.InteropServices;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Errors of libtorch are .NET exceptions with libtorch's message and nothing else.</summary>
public sealed class ErrorTests
{
    [Fact]
    public void An_operator_that_fails_throws_with_the_message_of_aten()
    {
        using var x = ones(2, 3);
        var error = Assert.Throws<ExternalException>(() => x.mm(x));
        Assert.Contains("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Engine", "StandIn")] // TorchSharp 0.107 hands it on; EngineError.Summary leaves it out
    public void The_message_has_no_native_stack()
    {
        using var x = ones(2, 3);
        var error = Assert.Throws<ExternalException>(() => x.reshape(5));
        Assert.DoesNotContain("frame #", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message.Split('\n')[0]);
    }

    [Fact]
    public void Linear_algebra_without_an_answer_throws()
    {
        using var x = eye(2).neg();
        var error = Assert.Throws<ExternalException>(() => linalg.cholesky(x));
        Assert.Contains("not positive-definite", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Work_goes_on_after_an_error()
    {
        using var x = ones(2, 3);
        for (var i = 0; i < 100; i++) Assert.Throws<ExternalException>(() => x.mm(x));
        Assert.Equal(6, x.sum().ToDouble());
    }

    [Fact]
    public void A_device_that_is_unknown_or_absent_is_refused()
    {
        Assert.ThrowsAny<Exception>(() => device("warp"));
        if (!cuda.is_available()) Assert.Throws<InvalidOperationException>(() => device("cuda:1"));
        Assert.Equal("cuda:1", new Device("cuda:1").ToString());
        Assert.Equal(DeviceType.CPU, device("cpu").type);
    }

    // In TorchSharp these end the process instead; product code never lets it come to that.
    [Fact]
    [Trait("Engine", "StandIn")]
    public void Errors_in_grad_and_matmul_throw_here()
    {
        using var scope = NewDisposeScope();
        var x = ones(2, requires_grad: true);
        var y = x.mul(x).sum();
        autograd.grad([y], [x]);
        Assert.Contains("second time", Assert.Throws<ExternalException>(() => autograd.grad([y], [x])).Message, StringComparison.Ordinal);
        Assert.Contains("not have been used", Assert.Throws<ExternalException>(() => autograd.grad([x.mul(x).sum()], [ones(1, requires_grad: true)])).Message, StringComparison.Ordinal);
        Assert.Throws<ExternalException>(() => ones(2, 3).matmul(ones(2, 3)));
    }
}
