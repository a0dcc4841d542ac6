using System.Runtime.CompilerServices;
using TorchSharp.Interop;

namespace TorchSharp;

/// <summary>
/// An ATen operator by name and overload, for example <c>new Op("add", "Scalar")</c>. Kept in a static field beside the wrapper that calls it: the
/// schema is looked up at the first call, later calls only box their arguments. Arguments that are left off at the end take the schema's defaults.
/// </summary>
internal sealed unsafe class Op(string name, string overload = "")
{
    private const int MaxResults = 8;
    private const int RoomOnStack = 64;

    private IntPtr handle;

    /// <summary>The first result.</summary>
    [SkipLocalsInit]
    internal torch.Tensor Call(params ReadOnlySpan<Val> args)
    {
        var results = stackalloc NativeVal[MaxResults];
        var count = Invoke(args, results);
        for (var i = 1; i < count; i++) Results.Drop(results[i]);
        return new torch.Tensor(results[0].Pointer);
    }

    /// <summary>All tensors among the results, lists included, in order.</summary>
    [SkipLocalsInit]
    internal torch.Tensor[] CallMany(params ReadOnlySpan<Val> args)
    {
        var results = stackalloc NativeVal[MaxResults];
        return Results.TakeTensors(results, Invoke(args, results));
    }

    /// <summary>Changes the first argument in place and returns it: TorchSharp's in-place methods return <c>this</c>, not a second handle.</summary>
    [SkipLocalsInit]
    internal torch.Tensor CallInPlace(params ReadOnlySpan<Val> args)
    {
        var results = stackalloc NativeVal[MaxResults];
        var count = Invoke(args, results);
        for (var i = 0; i < count; i++) Results.Drop(results[i]);
        return (torch.Tensor)args[0].Reference!;
    }

    /// <summary>The first result of an operator that answers a question.</summary>
    [SkipLocalsInit]
    internal bool CallBool(params ReadOnlySpan<Val> args)
    {
        var results = stackalloc NativeVal[MaxResults];
        Invoke(args, results);
        return results[0].Integer != 0;
    }

    [SkipLocalsInit]
    private int Invoke(ReadOnlySpan<Val> args, NativeVal* results)
    {
        if (handle == 0) Find();

        var words = Val.WordsOf(args);
        Span<long> room = words <= RoomOnStack ? stackalloc long[RoomOnStack] : new long[words];
        fixed (long* start = room)
        {
            var native = stackalloc NativeVal[args.Length];
            Val.Write(args, native, start);
            var code = Native.cv_call(handle, native, args.Length, results, MaxResults, out var count);
            Val.KeepAlive(args);
            Native.Check(code);
            return count;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Find()
    {
        Native.Check(Native.cv_op_find(name.Contains("::", StringComparison.Ordinal) ? name : "aten::" + name, overload, out var found));
        handle = found;
    }
}
