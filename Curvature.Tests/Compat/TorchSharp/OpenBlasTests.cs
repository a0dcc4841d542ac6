using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Curvature.Cli.Work;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>The kernels of matrix products, on whatever processor the tests run; where libtorch brings a library of its own there is nothing to see.</summary>
[Trait("Engine", "StandIn")]
public sealed class OpenBlasTests
{
    [OpenBlasFact]
    public void Does_not_multiply_by_the_oldest_kernels_on_a_processor_that_has_newer()
    {
        using (rand(2, 2).mm(rand(2, 2)))
        {
            Assert.True(!Avx2.IsSupported || Kernels() != "Prescott", "OpenBLAS multiplies with the kernels of a Pentium 4 on a processor with AVX2.");
        }
    }

    [OpenBlasFact]
    public void Does_as_its_variable_says()
    {
        ProcessStartInfo start = new("dotnet", [typeof(OpenBlasTests).Assembly.Location, "freed-memory", "kept"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        (start.Environment["OPENBLAS_CORETYPE"], start.Environment["OPENBLAS_VERBOSE"]) = ("Prescott", "2");
        using Process process = Process.Start(start)!;
        Assert.Contains("Core: Prescott", process.StandardError.ReadToEnd(), StringComparison.Ordinal);
        process.WaitForExit();
    }

    private static string? Kernels() => Marshal.PtrToStringUTF8(openblas_get_corename());

    [DllImport("libopenblas.so.0")]
    private static extern IntPtr openblas_get_corename();

    /// <summary>Skipped where libtorch multiplies otherwise.</summary>
    private sealed class OpenBlasFactAttribute : FactAttribute
    {
        public OpenBlasFactAttribute() => Skip = Blas.Measure().Name == "OpenBLAS" ? null : "libtorch does not multiply by OpenBLAS here";
    }
}
