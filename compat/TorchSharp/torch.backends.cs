using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static class backends
    {
        public static class cuda
        {
            public static void enable_flash_sdp(bool enable) => Native.cv_enable_flash_sdp(enable ? 1 : 0);

            public static class matmul
            {
                public static bool allow_tf32 { get => Native.cv_get_tf32(0) != 0; set => Native.cv_set_tf32(0, value ? 1 : 0); }
            }
        }

        public static class cudnn
        {
            public static bool allow_tf32 { get => Native.cv_get_tf32(1) != 0; set => Native.cv_set_tf32(1, value ? 1 : 0); }
        }
    }
}
