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
/// <para>With <c>CURVATURE_PRETENDED_CUDA</c> (a library built of <c>device/pretended_cuda.cpp</c>) the device <c>cuda</c> is one that computes in main memory and counts how often the host waits for it.</para>
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
        byte[] text = new byte[4096];
        int length = Function<WaitsFunction>("pretended_cuda_waits")(text, text.Length);
        return Encoding.ASCII.GetString(text, 0, Math.Min(length, text.Length - 1)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => (Name: line[..line.LastIndexOf(' ')], Count: line[(line.LastIndexOf(' ') + 1)..]))
            .ToDictionary(wait => wait.Name, wait => int.Parse(wait.Count, CultureInfo.InvariantCulture));
    }

    /// <summary>Makes every wait an error, which shows where it is asked for.</summary>
    internal static void Forbid(bool on) => Function<ForbidFunction>("pretended_cuda_forbid")(on ? 1 : 0);

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

    private delegate void ForbidFunction(int on);
}
