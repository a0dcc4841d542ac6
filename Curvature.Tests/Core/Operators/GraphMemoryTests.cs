using System.Runtime.InteropServices;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>The budget for kept graphs against the memory that the graphs take, found by releasing them.</summary>
public class GraphMemoryTests
{
    private const long MiB = 1 << 20;

    [Theory]
    [InlineData(60)]
    [InlineData(150)]
    public void A_budget_is_kept_within_a_tenth(long budget)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Sequential model = nn.Sequential(
            ("conv1", nn.Conv2d(1, 8, 3, padding: 1)), ("relu1", nn.ReLU()),
            ("conv2", nn.Conv2d(8, 8, 3, padding: 1)), ("relu2", nn.ReLU()),
            ("flat", nn.Flatten()), ("fc", nn.Linear(8 * 28 * 28, 10)));
        Batch[] batches = [.. Enumerable.Range(0, 12).Select(_ => new Batch(randn(64, 1, 28, 28), randint(10, [64])))];
        Objective objective = Objective.Supervised(model, new CrossEntropy(), batches);
        Tensor v = randn(objective.Parameters.Count);

        Held(objective, v, 4096); // leaves a heap full of memory that was freed but not given back
        long held = Held(objective, v, budget);

        Assert.InRange(held / (double)MiB, 0.5 * budget, 1.1 * budget);
    }

    /// <summary>Bytes that go when an operator with that budget is disposed of after two products.</summary>
    private static long Held(Objective objective, Tensor v, long budget)
    {
        HessianOperator hessian = new(objective, new CurvatureOptions { GraphMemory = budget * MiB });
        hessian.Apply(v).Dispose();
        hessian.Apply(v).Dispose();
        long before = Allocated();
        hessian.Dispose();
        return before - Allocated();
    }

    /// <summary>Bytes allocated by native code and not freed, by glibc's count: resident memory also holds what heaps hoard between blocks.</summary>
    private static long Allocated()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        MallocStatistics now = Mallinfo2();
        return (long)(now.InHeaps + now.InMappedBlocks);
    }

    [DllImport("libc", EntryPoint = "mallinfo2")]
    private static extern MallocStatistics Mallinfo2();

    /// <summary>glibc's <c>struct mallinfo2</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MallocStatistics
    {
        public nuint FromSystem, FreeBlocks, FastBinBlocks, MappedBlocks, InMappedBlocks, Unused, InFastBins, InHeaps, FreeInHeaps, Releasable;
    }
}
