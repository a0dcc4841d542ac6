using System.Runtime.InteropServices;

namespace Curvature.Tests.Reference;

/// <summary>What native code holds, by glibc's count.</summary>
internal static class NativeHeap
{
    public const long MiB = 1 << 20;

    /// <summary>Bytes allocated and not freed: resident memory also holds what heaps hoard between blocks.</summary>
    public static long Allocated()
    {
        GC.Collect(); // lets go of tensors that are only garbage, too
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
