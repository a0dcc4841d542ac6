using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Curvature.Compat.Extensions")]

namespace TorchSharp.Interop;

/// <summary>What this process computes with, and what it uses; for compat/Extensions, as TorchSharp itself does not tell.</summary>
internal static class LibtorchFacts
{
    /// <summary>libtorch's build configuration, its parallel back end, and the OpenBLAS in the process ("" without one).</summary>
    internal static (string Build, string Parallel, string OpenBlas) Configuration()
    {
        Native.Check(Native.cv_config(out var build, out var parallel, out var openblas));
        return (Native.TakeText(build), Native.TakeText(parallel), Native.TakeText(openblas));
    }

    /// <summary>Bytes of a CUDA device in use, at most so far, and held from the driver; null where the build had no CUDA headers.</summary>
    internal static (long Current, long Peak, long Reserved)? CudaMemory(int device)
    {
        var code = Native.cv_cuda_memory(device, out var current, out var peak, out var reserved);
        if (code == 2) return null;
        Native.Check(code);
        return (current, peak, reserved);
    }
}
