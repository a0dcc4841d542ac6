using System.Collections;
using TorchSharp;

namespace Curvature.Data;

/// <summary>The rows of a dataset in order, <paramref name="size"/> at a time, as views made afresh at each access.</summary>
internal sealed class BatchList(Dataset data, long size) : IReadOnlyList<Batch>
{
    public int Count => checked((int)((data.Count + size - 1) / size));

    public Batch this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            long start = index * size;
            long length = Math.Min(size, data.Count - start);
            torch.Tensor inputs = data.Inputs.narrow(0, start, length);
            return new Batch(inputs, data.Targets.narrow(0, start, length));
        }
    }

    public IEnumerator<Batch> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
