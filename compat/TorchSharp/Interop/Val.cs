using System.Text;
using TorchSharp.Interop;

namespace TorchSharp;

/// <summary>
/// One argument of an operator: what it converts from is what ATen's schemas know. Numbers travel in the value itself, everything else as a
/// reference that is laid out for the native side only during the call (Write), so that nothing has to be freed.
/// </summary>
internal readonly struct Val
{
    private readonly object? reference;
    private readonly long bits;
    private readonly ValTag tag;

    private Val(ValTag tag, object? reference, long bits = 0)
    {
        this.tag = tag;
        this.reference = reference;
        this.bits = bits;
    }

    internal static Val None => default;

    internal object? Reference => reference;

    public static implicit operator Val(torch.Tensor? value) => value is null ? None : new(ValTag.Tensor, value);
    public static implicit operator Val(torch.Tensor[] value) => new(ValTag.Tensors, value);
    public static implicit operator Val(long value) => new(ValTag.Int, null, value);
    public static implicit operator Val(long? value) => value is long some ? some : None;
    public static implicit operator Val(double value) => new(ValTag.Float, null, BitConverter.DoubleToInt64Bits(value));
    public static implicit operator Val(double? value) => value is double some ? some : None;
    public static implicit operator Val(bool value) => new(ValTag.Bool, null, value ? 1 : 0);
    public static implicit operator Val(string? value) => value is null ? None : new(ValTag.String, Encoding.UTF8.GetBytes(value));
    public static implicit operator Val(long[]? value) => value is null ? None : new(ValTag.Ints, value);
    public static implicit operator Val(ReadOnlySpan<long> value) => new(ValTag.Ints, value.ToArray());
    public static implicit operator Val(torch.ScalarType value) => new(ValTag.Int, null, (long)value);
    public static implicit operator Val(torch.ScalarType? value) => value is torch.ScalarType some ? some : None;
    public static implicit operator Val(torch.Device? value) => value is null ? None : new(ValTag.Device, null, value.Code);
    public static implicit operator Val(torch.Generator? value) => value is null ? None : new(ValTag.Generator, value);
    public static implicit operator Val(Scalar? value) => value is null ? None : value.Value;

    /// <summary>A boxed argument of a TorchScript method.</summary>
    internal static Val Of(object? value) => value switch
    {
        null => None,
        torch.Tensor tensor => tensor,
        torch.Tensor[] tensors => tensors,
        Scalar scalar => scalar,
        bool flag => flag,
        int number => number,
        long number => number,
        float number => number,
        double number => number,
        string text => text,
        long[] numbers => numbers,
        _ => throw new ArgumentException($"A {value.GetType()} is no argument of a TorchScript method."),
    };

    /// <summary>How many 8-byte words Write needs outside the 16 bytes of the value.</summary>
    private int Words => reference switch
    {
        long[] integers => integers.Length,
        torch.Tensor[] tensors => tensors.Length,
        byte[] text => (text.Length + 7) / 8,
        _ => 0,
    };

    /// <summary>Lays the argument out; lists go to <paramref name="room"/>, which must not move during the call. Returns the words used.</summary>
    private unsafe int Write(NativeVal* target, long* room)
    {
        *target = new NativeVal { Tag = tag, Integer = bits };
        switch (reference)
        {
            case null: return 0;
            case torch.Tensor tensor:
                target->Pointer = tensor.Handle;
                return 0;
            case torch.Generator generator:
                target->Pointer = generator.Handle;
                return 0;
            case long[] integers:
                integers.CopyTo(new Span<long>(room, integers.Length));
                target->Length = integers.Length;
                break;
            case torch.Tensor[] tensors:
                for (var i = 0; i < tensors.Length; i++) room[i] = tensors[i] is null ? 0 : tensors[i].Handle;
                target->Length = tensors.Length;
                break;
            case byte[] text:
                text.CopyTo(new Span<byte>(room, text.Length));
                target->Length = text.Length;
                break;
        }
        target->Pointer = (IntPtr)room;
        return Words;
    }

    internal static int WordsOf(ReadOnlySpan<Val> args)
    {
        var words = 0;
        foreach (ref readonly var arg in args) words += arg.Words;
        return words;
    }

    internal static unsafe void Write(ReadOnlySpan<Val> args, NativeVal* target, long* room)
    {
        foreach (ref readonly var arg in args) room += arg.Write(target++, room);
    }

    /// <summary>Called after the native call, until which the written handles were borrowed from these objects.</summary>
    internal static void KeepAlive(ReadOnlySpan<Val> args)
    {
        foreach (ref readonly var arg in args) GC.KeepAlive(arg.reference);
    }
}
