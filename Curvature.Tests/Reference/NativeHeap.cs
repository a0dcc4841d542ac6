using System.Runtime.InteropServices;

namespace Curvature.Tests.Reference;

/// <summary>What native code holds, by glibc's count.</summary>
internal static class NativeHeap
{
    public const long MiB = 1 << 20;

    /// <summary>Bytes that the smallest tensor takes at least: its description, its storage's, and a cache line of numbers.</summary>
    public const long SmallestTensor = 256;

    /// <summary>Bytes allocated and not freed: resident memory also holds what heaps hoard between blocks.</summary>
    public static long Allocated()
    {
        GC.Collect(); // lets go of tensors that are only garbage, too
        GC.WaitForPendingFinalizers();
        MallocStatistics now = Mallinfo2();
        return (long)(now.InHeaps + now.InMappedBlocks);
    }

    /// <summary>
    /// By how many bytes the heap grows in one of several equal stretches of work, in the middle one of them by size. What leaks grows in each; the runtime, whose compiler and collector take
    /// mebibytes from the same heap when they please and give them back, in a few.
    /// </summary>
    public static double MedianGrowth(int stretches, Action work)
    {
        long[] heights = new long[stretches + 1];
        heights[0] = Allocated();
        for (int i = 1; i <= stretches; i++)
        {
            work();
            heights[i] = Allocated();
        }

        return MedianGrowth([.. heights.Select(height => (double)height)]);
    }

    /// <summary>The same of heights that were noted.</summary>
    public static double MedianGrowth(IReadOnlyList<double> heights) => heights.Skip(1).Zip(heights, (next, now) => next - now).Order().ElementAt((heights.Count - 1) / 2);

    [DllImport("libc", EntryPoint = "mallinfo2")]
    private static extern MallocStatistics Mallinfo2();

    /// <summary>glibc's <c>struct mallinfo2</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MallocStatistics
    {
        public nuint FromSystem, FreeBlocks, FastBinBlocks, MappedBlocks, InMappedBlocks, Unused, InFastBins, InHeaps, FreeInHeaps, Releasable;
    }
}
