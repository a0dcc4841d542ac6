using System.Runtime.InteropServices;
using TorchSharp;

namespace Curvature.Tensors;

/// <summary>
/// The fused kernels by which libtorch computes <c>scaled_dot_product_attention</c> where it may: flash attention, from libtorch 2 on a memory-efficient one, then cuDNN's. None has a second derivative; matrix products, which
/// remain where all are forbidden, have. TorchSharp has a switch for the first alone, so they are those of libtorch's C++ interface, found by the names that compilers on Linux give them:
/// <c>at::globalContext()</c> and <c>at::Context</c>'s <c>void setSDPUse...(bool)</c> and <c>bool userEnabled...SDP() const</c>. A libtorch without a kernel is one without its switch.
/// </summary>
internal static class FusedAttention
{
    private static readonly Lazy<Switch[]> Switches = new(FindAll);

    private static nint _context;

    /// <summary>Whether libtorch may take one; null where no switch was found, which tells nothing of kernels.</summary>
    public static bool? IsAllowed => Switches.Value.Length == 0 ? null : Switches.Value.Any(kernel => kernel.Get(_context));

    /// <summary>Has attention computed by matrix products.</summary>
    public static void Forbid() => Array.ForEach(Switches.Value, kernel => kernel.Set(_context, false));

    private static Switch[] FindAll()
    {
        _ = torch.cuda.device_count(); // libtorch is loaded when it is first called
        return [.. ((string[])["Flash", "MemEfficient", "CuDNN"]).Select(Find).OfType<Switch>()];
    }

    private static Switch? Find(string kernel)
    {
        foreach (string path in LoadedLibraries.Named("libtorch_cpu."))
        {
            if (NativeLibrary.TryLoad(path, out nint library)
                && NativeLibrary.TryGetExport(library, "_ZN2at13globalContextEv", out nint context)
                && NativeLibrary.TryGetExport(library, $"_ZN2at7Context{Counted($"setSDPUse{kernel}")}Eb", out nint set)
                && NativeLibrary.TryGetExport(library, $"_ZNK2at7Context{Counted($"userEnabled{kernel}SDP")}Ev", out nint get))
            {
                _context = Marshal.GetDelegateForFunctionPointer<ContextFunction>(context)();
                return new(Marshal.GetDelegateForFunctionPointer<SetFunction>(set), Marshal.GetDelegateForFunctionPointer<GetFunction>(get));
            }
        }

        return null;
    }

    private static string Counted(string name) => $"{name.Length}{name}";

    private delegate nint ContextFunction();

    private delegate void SetFunction(nint context, [MarshalAs(UnmanagedType.U1)] bool on);

    [return: MarshalAs(UnmanagedType.U1)]
    private delegate bool GetFunction(nint context);

    private sealed record Switch(SetFunction Set, GetFunction Get);
}
