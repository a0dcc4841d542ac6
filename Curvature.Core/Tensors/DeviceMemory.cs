using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>
/// Memory of the device that tensors lie on: main memory for the CPU, for CUDA what its runtime says (<c>cudaMemGetInfo</c>, asked of the library that libtorch has loaded; TorchSharp reports none).
/// libtorch keeps what its tensors have given back for later ones, and the runtime counts that as taken: what is free here can be less than what can be had, never more.
/// </summary>
internal static class DeviceMemory
{
    private static readonly Lazy<Runtime?> Cuda = new(Find);

    /// <summary>Bytes that are free, within the container's limit; null on a device that does not tell.</summary>
    public static long? Free(Device device) => device.type == DeviceType.CPU ? HostMemory.Free() : Ask(device)?.Free;

    /// <summary>As <see cref="Free"/>, after libtorch has given back to a GPU what it keeps of tensors that are gone; later tensors are slow to get theirs for a while.</summary>
    public static long? FreeAfterRelease(Device device)
    {
        if (Ask(device) is var (_, total))
        {
            try
            {
                // libtorch gives back all it keeps before it says that there is not so much.
                empty([total], ScalarType.Byte, device).Dispose();
            }
            catch (ExternalException)
            {
            }
        }

        return Free(device);
    }

    /// <summary>Bytes that are taken, by whomever; null on a device that does not tell. For the CPU see <see cref="HostMemory.InUse"/>, which counts this process's tensors.</summary>
    public static long? Taken(Device device) => device.type == DeviceType.CPU ? HostMemory.InUse() : Ask(device) is var (free, total) ? total - free : null;

    /// <summary>Bytes above which nothing can fit: what is free of main memory, all of a GPU's, since libtorch may hold what seems taken; null on a device that does not tell.</summary>
    public static long? AtMost(Device device) => device.type == DeviceType.CPU ? HostMemory.Free() : Ask(device)?.Total;

    /// <summary>Refuses vectors that could never fit, before the process runs out of memory.</summary>
    /// <param name="vectors">How many.</param>
    /// <param name="length">Entries of each.</param>
    /// <param name="dtype">Their dtype.</param>
    /// <param name="device">Where they are to lie.</param>
    /// <param name="remedy">What to ask for instead.</param>
    /// <param name="kind">What they are.</param>
    public static void RequireVectors(long vectors, long length, ScalarType dtype, Device device, string remedy, string kind = "Krylov")
    {
        double bytes = (double)vectors * length * (dtype == ScalarType.Float64 ? 8 : 4);
        if (AtMost(device) is { } most && bytes > most)
        {
            throw new CurvatureException(FormattableString.Invariant($"{vectors} {kind} vectors of {length} entries take {bytes / (1L << 30):f1} GiB; {Tell(device, most)}. {remedy}"));
        }
    }

    /// <summary>What <see cref="AtMost"/> said, for a message.</summary>
    public static string Tell(Device device, long most) =>
        FormattableString.Invariant(device.type == DeviceType.CPU ? (FormattableString)$"{most / (double)(1L << 30):f2} GiB are free" : $"the device has {most / (double)(1L << 30):f2} GiB");

    private static (long Free, long Total)? Ask(Device device)
    {
        if (device.type != DeviceType.CUDA || Cuda.Value is not { } runtime || runtime.Get(out int current) != 0)
        {
            return null;
        }

        int index = Math.Max(device.index, 0);
        if (index == current)
        {
            return Memory();
        }

        // From CUDA 12 on setting a device makes a context on it, which takes hundreds of MiB: the device that is current here cannot be set again. On a thread of its own that is not needed.
        (long, long)? found = null;
        Thread asking = new(() => found = runtime.Set(index) == 0 ? Memory() : null);
        asking.Start();
        asking.Join();
        return found;

        (long, long)? Memory() => runtime.Memory(out nuint free, out nuint total) == 0 ? ((long)free, (long)total) : null;
    }

    private static Runtime? Find()
    {
        foreach (string name in LoadedLibraries.Named("libcudart").Concat(["libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "cudart64_13.dll", "cudart64_12.dll", "cudart64_110.dll"]))
        {
            if (NativeLibrary.TryLoad(name, out nint library)
                && NativeLibrary.TryGetExport(library, "cudaMemGetInfo", out nint memory)
                && NativeLibrary.TryGetExport(library, "cudaGetDevice", out nint get)
                && NativeLibrary.TryGetExport(library, "cudaSetDevice", out nint set))
            {
                return new(Marshal.GetDelegateForFunctionPointer<MemoryFunction>(memory), Marshal.GetDelegateForFunctionPointer<GetFunction>(get), Marshal.GetDelegateForFunctionPointer<SetFunction>(set));
            }
        }

        return null;
    }

    private delegate int MemoryFunction(out nuint free, out nuint total);

    private delegate int GetFunction(out int device);

    private delegate int SetFunction(int device);

    private sealed record Runtime(MemoryFunction Memory, GetFunction Get, SetFunction Set);
}
