using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Dispose scopes: what is made within, what leaves, and that they belong to their thread.</summary>
public sealed class DisposeScopeTests
{
    [Fact]
    public void A_scope_disposes_what_was_made_within_and_not_what_was_moved_out()
    {
        using var outer = NewDisposeScope();
        Tensor gone, moved, detached;
        using (var inner = NewDisposeScope())
        {
            gone = ones(1);
            moved = ones(1).MoveToOuterDisposeScope();
            detached = ones(1).DetachFromDisposeScope();
            Assert.Equal(1, inner.DisposablesCount);
            Assert.True(outer.Contains(moved));
        }
        Assert.True(gone.IsInvalid);
        Assert.False(moved.IsInvalid);
        outer.Dispose();
        Assert.True(moved.IsInvalid);
        Assert.False(detached.IsInvalid);
        detached.Dispose();
    }

    [Fact]
    public void Moving_out_of_the_outermost_scope_detaches()
    {
        Tensor kept;
        using (NewDisposeScope()) kept = ones(1).MoveToOuterDisposeScope();
        Assert.False(kept.IsInvalid);
        kept.Dispose();
    }

    [Fact]
    public void A_tensor_disposed_on_its_own_leaves_its_scope()
    {
        using var scope = NewDisposeScope();
        var x = ones(1);
        x.Dispose();
        Assert.Equal(0, scope.DisposablesCount);
    }

    [Fact]
    public void Gradients_and_readings_of_grad_belong_to_the_scope_but_the_stored_gradient_survives()
    {
        using var x = ones(2, requires_grad: true);
        Tensor read;
        using (NewDisposeScope())
        {
            x.mul(x).sum().backward();
            read = x.grad!;
            Assert.NotSame(read, x.grad);
        }
        Assert.True(read.IsInvalid);
        using var grad = x.grad;
        Assert.Equal([2f, 2f], grad!.data<float>().ToArray());
    }

    [Fact]
    public void Scopes_belong_to_their_thread()
    {
        using var scope = NewDisposeScope();
        Tensor? other = null;
        var thread = new Thread(() => other = ones(1));
        thread.Start();
        thread.Join();
        Assert.Equal(0, scope.DisposablesCount);
        other!.Dispose();
    }

    [Fact]
    public void Counts_tell_a_leak()
    {
        GC.Collect(); // what other tests left to the finalizer is not to be counted
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        using (NewDisposeScope())
        {
            var x = ones(2, requires_grad: true);
            for (var i = 0; i < 50; i++) autograd.grad([x.mul(x).sum()], [x]);
            Assert.True(Tensor.TotalCount > before);
        }
        Assert.Equal(before, Tensor.TotalCount);

        DisposeScopeManager.Statistics.Reset();
        using (NewDisposeScope()) ones(1).DetachFromDisposeScope().Dispose();
        var statistics = DisposeScopeManager.Statistics.TensorStatistics;
        Assert.Equal((1, 1, 0), (statistics.CreatedInScopeCount, statistics.DetachedFromScopeCount, statistics.ThreadTotalLiveCount));
    }

    [Fact]
    public void A_wrapped_computation_keeps_only_its_result()
    {
        using var scope = NewDisposeScope();
        var result = WrappedTensorDisposeScope(() => ones(2).add(ones(2)));
        Assert.Equal(1, scope.DisposablesCount);
        Assert.Equal(4, result.sum().ToDouble());
    }

    [Fact]
    public void Everything_but_the_kept_can_be_disposed_at_once()
    {
        using var scope = NewDisposeScope();
        var (kept, gone) = (ones(1), ones(1));
        scope.DisposeEverythingBut(kept);
        Assert.False(kept.IsInvalid);
        Assert.True(gone.IsInvalid);
    }
}
