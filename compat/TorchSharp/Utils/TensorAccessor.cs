using System.Collections;

namespace TorchSharp.Utils;

/// <summary>The elements of a CPU tensor, read and written where they are, in row-major order whatever the strides.</summary>
public sealed unsafe class TensorAccessor<T> : IDisposable, IEnumerable<T> where T : unmanaged
{
    private readonly torch.Tensor tensor;
    private readonly long[] shape;
    private readonly long[] strides;
    private readonly T* first;

    // A handle of our own: the memory must outlive the tensor that was asked, which is often a temporary.
    internal TensorAccessor(torch.Tensor source)
    {
        tensor = source.alias().DetachFromDisposeScope();
        (shape, strides, Count) = (tensor.shape, tensor.stride(), tensor.numel());
        first = (T*)tensor.DataPointer();
    }

    public long Count { get; }

    public T this[params long[] indices]
    {
        get => first[Offset(indices)];
        set => first[Offset(indices)] = value;
    }

    public T[] ToArray()
    {
        var array = new T[Count];
        tensor.Read<T>(array);
        return array;
    }

    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    public void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        if (tensorIndex == 0 && array.Length - arrayIndex >= Count)
        {
            tensor.Read(array.Slice(arrayIndex, checked((int)Count)));
            return;
        }
        for (var i = tensorIndex; i < Count && arrayIndex < array.Length; i++) array[arrayIndex++] = first[Flat(i)];
    }

    public void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        for (var i = tensorIndex; i < Count && arrayIndex < array.Length; i++) first[Flat(i)] = array[arrayIndex++];
    }

    public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)ToArray()).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose() => tensor.Dispose();

    private long Offset(long[] indices)
    {
        if (indices.Length == 1 && shape.Length != 1) return Flat(indices[0]);
        if (indices.Length != shape.Length) throw new ArgumentException($"{indices.Length} indices for {shape.Length} dimensions.");
        long offset = 0;
        for (var i = 0; i < indices.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)indices[i], (ulong)shape[i], nameof(indices));
            offset += indices[i] * strides[i];
        }
        return offset;
    }

    // Where the element with a row-major number lies.
    private long Flat(long number)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)number, (ulong)Count, nameof(number));
        long offset = 0;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            offset += number % shape[i] * strides[i];
            number /= shape[i];
        }
        return offset;
    }
}
