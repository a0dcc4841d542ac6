using System.Runtime.InteropServices;

namespace Curvature.Tensors;

/// <summary>
/// Main memory of tensors that are gone. glibc gives it back to the operating system as soon as it lies at the heap's end, and the next product gets it anew, page by page and filled with zeros: on a machine with fast matrix
/// products a tenth of a perceptron's step, a quarter of a residual network's, and most of what makes one run unlike the next.
/// </summary>
public static class FreedMemory
{
    private const int TrimThreshold = -1;
    private const int MapThreshold = -3;

    // Larger blocks are mapped one by one and given back when freed, whatever is set: glibc's own limit.
    private const int LargestInHeap = 32 << 20;

    /// <summary>
    /// From now on up to <paramref name="bytes"/> of freed memory stay with this process, for what it takes next. A setting of the whole process, and of its allocator: a program's to make and no library's, so that nothing here calls it but the benchmarks and
    /// the command. Memory on a GPU has libtorch's own cache.
    /// </summary>
    /// <param name="bytes">More than a gradient's activations take, that it helps; below 2 GiB.</param>
    /// <returns>Whether glibc took the setting: false on other systems. An allocator loaded before glibc's own (jemalloc, tcmalloc) has its own settings, and this changes nothing for it.</returns>
    /// <exception cref="CurvatureException">Not between 0 and 2 GiB.</exception>
    public static bool Keep(long bytes = 512 << 20)
    {
        if (bytes is < 0 or > int.MaxValue)
        {
            throw new CurvatureException($"Freed memory is kept up to a number of bytes between 0 and {int.MaxValue}; got {bytes}.");
        }

        try
        {
            return SetOption(MapThreshold, LargestInHeap) == 1 && SetOption(TrimThreshold, (int)bytes) == 1;
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [DllImport("libc", EntryPoint = "mallopt")]
    private static extern int SetOption(int parameter, int value);
}
