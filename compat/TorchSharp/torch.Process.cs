using System.Globalization;
using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>The version of the libtorch that computes, for example "1.13.0".</summary>
    public static string __version__
    {
        get
        {
            var version = Native.cv_torch_version();
            return string.Create(CultureInfo.InvariantCulture, $"{version / 10000}.{version / 100 % 100}.{version % 100}");
        }
    }

    /// <summary>Threads within one operator.</summary>
    public static int get_num_threads() => Native.cv_get_threads();

    public static void set_num_threads(int num) => Native.Check(Native.cv_set_threads(num));

    public static bool cuda_is_available() => cuda.is_available();

    public static class cuda
    {
        public static bool is_available() => device_count() > 0;

        public static int device_count() => Native.cv_cuda_count();
    }
}
