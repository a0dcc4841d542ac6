using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp.Interop;

/// <summary>
/// Finds and starts libcurvature_torch.so at the first native call: environment variable CURVATURE_TORCH_NATIVE (a file), else beside the application.
/// Nothing native runs in a type initializer, so that a missing libtorch is one clear exception at the call that needed it.
/// </summary>
internal static unsafe partial class NativeLibraryLoader
{
    private static readonly Lazy<IntPtr> Loaded = new(Load);
    private static readonly ConcurrentDictionary<string, bool> Warned = new();

    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "The resolver must be known before the first native call, wherever that is.")]
    internal static void Register() =>
        NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, (name, _, _) => name == Native.Library ? Loaded.Value : IntPtr.Zero);

    private static IntPtr Load()
    {
        // Before libgomp starts: spinning worker threads cost up to 20 x on a busy machine. Environment.SetEnvironmentVariable is not seen by getenv.
        _ = setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
        OpenBlas.KnowProcessor((name, value) => _ = setenv(name, value, 0));

        var library = Open();
        ((delegate* unmanaged<delegate* unmanaged<IntPtr, void>, void>)NativeLibrary.GetExport(library, "cv_set_warning_callback"))(&Warn);
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OMP_NUM_THREADS")))
        {
            // libtorch may start with one thread on a virtual machine.
            _ = ((delegate* unmanaged<int, int>)NativeLibrary.GetExport(library, "cv_set_threads"))(Environment.ProcessorCount);
        }
        return library;
    }

    private static IntPtr Open()
    {
        var named = Environment.GetEnvironmentVariable("CURVATURE_TORCH_NATIVE");
        var path = string.IsNullOrEmpty(named) ? Path.Combine(AppContext.BaseDirectory, "libcurvature_torch.so") : named;
        if (!File.Exists(path))
        {
            throw new DllNotFoundException($"The native part of the TorchSharp stand-in is missing: expected {path}. "
                + "Build the solution again (dotnet build), or name the library in CURVATURE_TORCH_NATIVE.");
        }
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (DllNotFoundException error)
        {
            var cause = error.Message.Split('\n').FirstOrDefault(line => line.Contains("cannot open shared object", StringComparison.Ordinal)) ?? error.Message;
            throw new DllNotFoundException(string.Create(CultureInfo.InvariantCulture, $"libtorch could not be loaded ({cause.Trim()}). "
                + $"Install it: apt-get install --no-install-recommends libtorch-dev libopenblas0-openmp, or keep the libtorch named by LIBTORCH at build time where it was."));
        }
    }

    // A warning is told once: inner loops would repeat it thousands of times.
    [UnmanagedCallersOnly]
    private static void Warn(IntPtr text)
    {
        var message = (Marshal.PtrToStringUTF8(text) ?? "").Split('\n')[0];
        if (Warned.TryAdd(message, true)) Console.Error.WriteLine("libtorch: " + message);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
