using System.Runtime.InteropServices;

namespace TorchSharp.Interop;

/// <summary>An argument as the native side reads it (struct cv_val of abi.h).</summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
internal struct NativeVal
{
    [FieldOffset(0)] internal ValTag Tag;
    [FieldOffset(4)] internal int Length;
    [FieldOffset(8)] internal long Integer;
    [FieldOffset(8)] internal double Real;
    [FieldOffset(8)] internal IntPtr Pointer;
}

internal enum ValTag { None, Tensor, Int, Float, Bool, String, Ints, Floats, Bools, Tensors, Device, Generator }
