using System.Globalization;
using System.Runtime.InteropServices;

namespace Curvature.Tensors;

/// <summary>Main memory, asked before it is taken: running out ends a process without a message.</summary>
internal static class HostMemory
{
    /// <summary>Bytes that can still be taken, within the container's limit.</summary>
    public static long Free()
    {
        long limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes - Environment.WorkingSet;
        string? available = File.Exists("/proc/meminfo")
            ? File.ReadLines("/proc/meminfo").FirstOrDefault(line => line.StartsWith("MemAvailable:", StringComparison.Ordinal))
            : null;
        string? kilobytes = available?.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return Math.Max(0, long.TryParse(kilobytes, NumberStyles.None, CultureInfo.InvariantCulture, out long kb) ? Math.Min(limit, kb * 1024) : limit);
    }

    /// <summary>
    /// Bytes that native code has allocated and not freed, as glibc counts them: what tensors take, whatever the heap still hoards of those that are
    /// gone. Where there is no glibc, the resident memory.
    /// </summary>
    public static long InUse()
    {
        try
        {
            MallocStatistics now = Mallinfo2();
            return (long)(now.InHeaps + now.InMappedBlocks);
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            return Environment.WorkingSet;
        }
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
