using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Tests.Fixtures;

/// <summary>
/// The device that the tests of the library run on: <c>CURVATURE_TEST_DEVICE</c> (default cpu). Problems, models and data are made in main memory, of the same numbers for every device, and moved here; dense references are
/// computed here or in float64 on the CPU, and numbers are read by way of <c>.cpu()</c>. Tests of file readers, of processes and of text know the CPU alone.
/// <para>With <c>CURVATURE_PRETENDED_CUDA</c> (the library built of <c>device/</c>) the device <c>cuda</c> is one that computes in main memory and counts how often the host waits for it.</para>
/// </summary>
public static class TestDevice
{
    private static readonly string? Pretended = Environment.GetEnvironmentVariable("CURVATURE_PRETENDED_CUDA") is { Length: > 0 } path ? path : null;

    private static readonly Lazy<Device> Opened = new(() => ComputeDevice.Open(Environment.GetEnvironmentVariable("CURVATURE_TEST_DEVICE") is { Length: > 0 } name ? name : "cpu"));

    /// <summary>The device.</summary>
    public static Device Here => Opened.Value;

    /// <summary>Whether <see cref="Waits"/> can be asked.</summary>
    public static bool CountsWaits => Pretended is not null;

    /// <summary>What the host has waited for since the last call: operators, copies from the device, copies to it of memory that is not pinned; with their counts.</summary>
    internal static IReadOnlyDictionary<string, int> Waits()
    {
        WaitsFunction ask = Function<WaitsFunction>("pretended_cuda_waits");
        byte[] text = new byte[1 << 12];
        int length = ask(text, text.Length);
        if (length > text.Length)
        {
            text = new byte[length];
            length = ask(text, length);
        }

        return Encoding.ASCII.GetString(text, 0, length).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => (Name: line[..line.LastIndexOf(' ')], Count: line[(line.LastIndexOf(' ') + 1)..]))
            .ToDictionary(wait => wait.Name, wait => int.Parse(wait.Count, CultureInfo.InvariantCulture));
    }

    /// <summary>Bounds the device's memory, whose allocator from then on keeps what tensors give back until there is no more, as libtorch's does; 0 ends that.</summary>
    internal static void Bound(long bytes) => Function<BoundFunction>("pretended_cuda_bound")((nuint)bytes);

    /// <summary>Bytes of the pretended device that tensors have now, those that are only garbage apart, whatever its allocator keeps: to the byte, where the heap that they lie in has the runtime's memory too.</summary>
    internal static long Allocated()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return (long)Function<AllocatedFunction>("pretended_cuda_allocated")();
    }

    /// <summary>The devices, by bits, that this process has set: each of them has a context then.</summary>
    internal static int Contexts() => Function<ContextsFunction>("pretended_cuda_contexts")();

    private static T Function<T>(string name) where T : Delegate => Marshal.GetDelegateForFunctionPointer<T>(NativeLibrary.GetExport(NativeLibrary.Load(Pretended!), name));

    // libtorch asks once whether there is CUDA.
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The device must be there before libtorch is first asked for it, in whichever test that is.")]
    internal static void Load()
    {
        if (Pretended is not null)
        {
            NativeLibrary.Load(Pretended);
        }
    }

    private delegate int WaitsFunction(byte[] text, int size);

    private delegate void BoundFunction(nuint bytes);

    private delegate nuint AllocatedFunction();

    private delegate int ContextsFunction();
}
