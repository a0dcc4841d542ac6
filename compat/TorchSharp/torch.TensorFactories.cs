using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp.Interop;

namespace TorchSharp;

public static unsafe partial class torch
{
    // Scalars: the .NET type decides the element type unless one is asked for.
    public static Tensor tensor(bool scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => ScalarTensor(scalar, dtype ?? ScalarType.Bool, device, requires_grad);
    public static Tensor tensor(int scalar, Device? device = null, bool requires_grad = false) => ScalarTensor(scalar, ScalarType.Int32, device, requires_grad);
    public static Tensor tensor(long scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => ScalarTensor(scalar, dtype ?? ScalarType.Int64, device, requires_grad);
    public static Tensor tensor(float scalar, Device? device = null, bool requires_grad = false) => ScalarTensor(scalar, ScalarType.Float32, device, requires_grad);
    public static Tensor tensor(double scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) => ScalarTensor(scalar, dtype ?? ScalarType.Float64, device, requires_grad);

    // Arrays: copied, row-major.
    public static Tensor tensor(bool[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<bool>(rawArray, [rawArray.Length], dtype, device, requires_grad);
    public static Tensor tensor(int[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<int>(rawArray, [rawArray.Length], dtype, device, requires_grad);
    public static Tensor tensor(long[] dataArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<long>(dataArray, [dataArray.Length], dtype, device, requires_grad);
    public static Tensor tensor(long[] dataArray, ReadOnlySpan<long> dimensions, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<long>(dataArray, dimensions, dtype, device, requires_grad);
    public static Tensor tensor(float[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<float>(rawArray, [rawArray.Length], dtype, device, requires_grad);
    public static Tensor tensor(float[] rawArray, ReadOnlySpan<long> dimensions, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<float>(rawArray, dimensions, dtype, device, requires_grad);
    public static Tensor tensor(double[] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<double>(rawArray, [rawArray.Length], dtype, device, requires_grad);
    public static Tensor tensor(double[] rawArray, ReadOnlySpan<long> dimensions, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromSpan<double>(rawArray, dimensions, dtype, device, requires_grad);
    public static Tensor tensor(float[,] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromArray<float>(rawArray, dtype, device, requires_grad);
    public static Tensor tensor(double[,] rawArray, ScalarType? dtype = null, Device? device = null, bool requires_grad = false, string[]? names = null) => FromArray<double>(rawArray, dtype, device, requires_grad);

    /// <summary>A tensor over the array's own memory, which stays pinned as long as libtorch uses it: changes are seen on both sides.</summary>
    public static Tensor from_array(Array rawArray, Device? device = null) => from_array(rawArray, null, device);

    public static Tensor from_array(Array rawArray, ScalarType? dtype, Device? device = null, bool requires_grad = false, string[]? names = null)
    {
        var own = ElementsOf(rawArray);
        using var shared = Share(rawArray, own, Shape(rawArray), 0);
        return shared.to(dtype ?? own, device ?? CPU).Flag(requires_grad);
    }

    /// <summary>A tensor of one dimension over the array's own memory; count and offset in elements of its type.</summary>
    public static Tensor frombuffer(Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        var own = ElementsOf(rawArray);
        if (count < 0) count = rawArray.LongLength - offset;
        if (offset < 0 || offset + count > rawArray.LongLength) throw new ArgumentException($"{count} elements from {offset} are not within the {rawArray.LongLength} of the buffer.");
        using var shared = Share(rawArray, own, [count], offset);
        return shared.to(dtype).Flag(requires_grad);
    }

    private static ScalarType ElementsOf(Array array) =>
        TypeOf(array.GetType().GetElementType()!) ?? throw new NotSupportedException($"No element type for {array.GetType()}.");

    private static long[] Shape(Array array) => [.. Enumerable.Range(0, array.Rank).Select(array.GetLongLength)];

    private static Tensor FromArray<T>(Array array, ScalarType? dtype, Device? device, bool grad) where T : unmanaged =>
        FromSpan(MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<byte, T>(ref MemoryMarshal.GetArrayDataReference(array)), array.Length), Shape(array), dtype, device, grad);

    private static Tensor FromSpan<T>(ReadOnlySpan<T> data, ReadOnlySpan<long> shape, ScalarType? dtype, Device? device, bool grad) where T : unmanaged
    {
        long count = 1;
        foreach (var size in shape) count *= size;
        if (count != data.Length) throw new ArgumentException($"The shape [{string.Join(", ", shape.ToArray())}] has {count} elements, the array {data.Length}.");

        var own = TypeOf(typeof(T))!.Value;
        Tensor made;
        fixed (T* first = data)
        fixed (long* sizes = shape)
        {
            Native.Check(Native.cv_tensor_from(first, sizes, shape.Length, (int)own, out var handle));
            made = new(handle);
        }
        if ((dtype ?? own) != own || device is not null) made = made.to(dtype ?? own, device ?? CPU, disposeAfter: true);
        return made.Flag(grad);
    }

    private static Tensor Share(Array array, ScalarType own, long[] shape, long offset)
    {
        var pin = GCHandle.Alloc(array, GCHandleType.Pinned);
        fixed (long* sizes = shape)
        {
            Native.Check(Native.cv_tensor_wrap(pin.AddrOfPinnedObject() + (nint)(offset * own.ElementSize()), sizes, shape.Length, (int)own, &Unpin, GCHandle.ToIntPtr(pin), out var handle));
            return new(handle);
        }
    }

    [UnmanagedCallersOnly]
    private static void Unpin(IntPtr context) => GCHandle.FromIntPtr(context).Free();
}
