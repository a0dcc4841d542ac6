using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Curvature.MatrixFree;

/// <summary>Reads stored numbers as float64, eight at a time.</summary>
internal interface IWideningLoad<T> where T : unmanaged
{
    /// <summary>Entries <c>at .. at + 7</c>.</summary>
    static abstract (Vector256<double> Lower, Vector256<double> Upper) Eight(ref T first, nuint at);

    /// <summary>One entry.</summary>
    static abstract double One(T value);
}

/// <summary>float32, converted on the way to the register: the memory sees four bytes an entry.</summary>
internal readonly struct FromFloat32 : IWideningLoad<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<double> Lower, Vector256<double> Upper) Eight(ref float first, nuint at)
    {
        var eight = Vector256.LoadUnsafe(ref first, at);
        return (Vector256.WidenLower(eight), Vector256.WidenUpper(eight));
    }

    public static double One(float value) => value;
}

/// <summary>float64 as it is.</summary>
internal readonly struct FromFloat64 : IWideningLoad<double>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<double> Lower, Vector256<double> Upper) Eight(ref double first, nuint at) =>
        (Vector256.LoadUnsafe(ref first, at), Vector256.LoadUnsafe(ref first, at + 4));

    public static double One(double value) => value;
}

/// <summary>bfloat16, the upper half of a float32: two bytes an entry.</summary>
internal readonly struct FromBFloat16 : IWideningLoad<ushort>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<double> Lower, Vector256<double> Upper) Eight(ref ushort first, nuint at)
    {
        var eight = Vector256.ShiftLeft(Vector256.WidenLower(Vector128.LoadUnsafe(ref first, at).ToVector256Unsafe()), 16).AsSingle();
        return (Vector256.WidenLower(eight), Vector256.WidenUpper(eight));
    }

    public static double One(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);
}
