using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace TorchSharp.Interop;

/// <summary>
/// OpenBLAS knows processors by their model numbers, and has the oldest kernels for one that is younger than itself: Debian's 0.3.21 multiplies at 31 GF/s on an Emerald Rapids whose AVX-512 gives 150. It is
/// asked before libtorch loads it, and then told by its own variable what the processor can do. A variable that is set is left alone.
/// </summary>
internal static unsafe class OpenBlas
{
    private const string Variable = "OPENBLAS_CORETYPE";

    public static void KnowProcessor(Action<string, string> setenv)
    {
        var kernels = Avx512BW.VL.IsSupported && Avx512DQ.IsSupported ? "SKYLAKEX" : Avx2.IsSupported && Fma.IsSupported ? "HASWELL" : null;
        if (kernels is null || Environment.GetEnvironmentVariable(Variable) is not null || !NativeLibrary.TryLoad("libopenblas.so.0", out var library)) return;

        var isOldest = NativeLibrary.TryGetExport(library, "openblas_get_corename", out var name) && Marshal.PtrToStringUTF8(((delegate* unmanaged<IntPtr>)name)()) is "Prescott";
        NativeLibrary.Free(library); // it chooses when it is loaded, and will be loaded again
        if (!isOldest) return;

        setenv(Variable, kernels);
        Environment.SetEnvironmentVariable(Variable, kernels); // for the processes that this one starts
    }
}
