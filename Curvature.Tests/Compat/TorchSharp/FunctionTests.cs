using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Functions with a managed derivative inside libtorch's graph.</summary>
public sealed class FunctionTests
{
    [Fact]
    public void The_gradient_is_the_one_that_backward_computes()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2 }, requires_grad: true);
        var y = Cube.apply(x, 2.0);
        Assert.Equal([2.0, 16], y.data<double>().ToArray());
        var gradient = autograd.grad([y.sum()], [x])[0];
        Assert.Equal([6.0, 24], gradient.data<double>().ToArray());
    }

    [Fact]
    public void A_backward_made_of_torch_operations_can_be_differentiated_again()
    {
        using var scope = NewDisposeScope();
        var x = tensor(new double[] { 1, 2 }, requires_grad: true);
        var gradient = autograd.grad([Cube.apply(x, 1.0).sin().sum()], [x], retain_graph: true, create_graph: true)[0];
        var product = autograd.grad([gradient], [x], [ones_like(x)])[0];

        // (sin x^3)'' = 6x cos x^3 - 9x^4 sin x^3
        var expected = (6 * x * x.pow(3).cos() - 9 * x.pow(4) * x.pow(3).sin()).detach();
        Assert.True(product.allclose(expected, 1e-12));
    }

    [Fact]
    public void An_identity_hands_its_input_through_without_taking_its_history()
    {
        using var scope = NewDisposeScope();
        var x = tensor(3.0, requires_grad: true);
        var middle = x * x;
        var y = Identity.apply(middle);
        Assert.NotSame(middle, y);
        Assert.Equal(6, autograd.grad([y], [x], retain_graph: true)[0].ToDouble());
        Assert.Equal(1, Identity.Seen);
        Assert.Equal(6, autograd.grad([middle], [x])[0].ToDouble());
        Assert.Equal(1, Identity.Seen);
    }

    [Fact]
    public void Several_outputs_have_gradients_of_their_own_and_missing_ones_are_zeros()
    {
        using var scope = NewDisposeScope();
        var x = tensor(2.0, requires_grad: true);
        var both = SquareAndCube.apply(x);
        Assert.Equal(4, autograd.grad([both[0]], [x], retain_graph: true)[0].ToDouble());
        Assert.Equal(16, autograd.grad([both[0] + both[1]], [x])[0].ToDouble());
    }

    [Fact]
    public void Without_anything_to_differentiate_there_is_no_node()
    {
        using var scope = NewDisposeScope();
        Assert.False(Cube.apply(ones(1, float64), 1.0).requires_grad);
        using (no_grad()) Assert.False(Cube.apply(ones(1, float64, requires_grad: true), 1.0).requires_grad);
    }

    // In TorchSharp an exception in backward ends the process.
    [Fact]
    [Trait("Engine", "StandIn")]
    public void An_exception_in_backward_is_an_error_of_the_call_that_ran_it()
    {
        using var scope = NewDisposeScope();
        var x = ones(1, requires_grad: true);
        var y = Failing.apply(x);
        var error = Assert.Throws<ExternalException>(() => y.sum().backward());
        Assert.Contains("the derivative is not known", error.Message, StringComparison.Ordinal);
        Assert.IsType<NotSupportedException>(error.InnerException);
        Assert.Equal(1, x.sum().ToDouble());
    }

    [Fact]
    [Trait("Engine", "StandIn")]
    public void Saved_tensors_are_freed_with_the_graph()
    {
        using var scope = NewDisposeScope();
        var x = ones(1, float64, requires_grad: true);
        var y = Cube.apply(x, 1.0).sum();
        autograd.grad([y], [x]);
        Assert.Throws<ExternalException>(() => autograd.grad([y], [x]));
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void The_context_dies_with_the_graph()
    {
        var context = Run();
        for (var i = 0; i < 10 && context.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.False(context.IsAlive);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Run()
        {
            using var scope = NewDisposeScope();
            Cube.apply(ones(1, float64, requires_grad: true), 1.0).sum().backward();
            var last = new WeakReference(Cube.LastContext);
            Cube.LastContext = null;
            return last;
        }
    }

    /// <summary>scale * x^3, with the scale kept as data.</summary>
    private sealed class Cube : autograd.SingleTensorFunction<Cube>
    {
        public static autograd.AutogradContext? LastContext;

        public override string Name => nameof(Cube);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.save_for_backward([x]);
            ctx.save_data("scale", vars[1]);
            LastContext = ctx;
            return x.pow(3) * (double)vars[1];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) =>
            [3 * (double)ctx.get_data("scale") * ctx.get_saved_variables()[0].square() * grad_output, null!];
    }

    private sealed class Identity : autograd.SingleTensorFunction<Identity>
    {
        public static int Seen;

        public override string Name => nameof(Identity);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => (Tensor)vars[0];

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            Seen++;
            return [grad_output];
        }
    }

    private sealed class SquareAndCube : autograd.MultiTensorFunction<SquareAndCube>
    {
        public override string Name => nameof(SquareAndCube);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var x = (Tensor)vars[0];
            ctx.save_for_backward([x]);
            return [x.square(), x.pow(3)];
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            var x = ctx.get_saved_variables()[0];
            return [2 * x * grad_outputs[0] + 3 * x.square() * grad_outputs[1]];
        }
    }

    private sealed class Failing : autograd.SingleTensorFunction<Failing>
    {
        public override string Name => nameof(Failing);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).clone();

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) =>
            throw new NotSupportedException("the derivative is not known");
    }
}
