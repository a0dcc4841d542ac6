using System.Collections;

namespace TorchSharp.Modules;

/// <summary>
/// Batches of a data set, collated; with <c>shuffle</c> in an order drawn from <c>seed</c> (the same at every pass), or without a seed from
/// the global generator. A batch is disposed when the enumerator moves on, unless <c>disposeBatch</c> is false.
/// </summary>
public class DataLoader<T, S> : IEnumerable<S>, IDisposable
{
    private readonly torch.utils.data.Dataset<T> _dataset;
    private readonly int _batchSize;
    private readonly Func<IEnumerable<T>, torch.Device, S> _collate;
    private readonly Func<IEnumerable<long>> _order;
    private readonly torch.Device _device;
    private readonly bool _dropLast;
    private readonly bool _disposeBatch;
    private readonly bool _disposeDataset;

    public DataLoader(torch.utils.data.Dataset<T> dataset, int batchSize, Func<IEnumerable<T>, torch.Device, S> collate_fn,
        bool shuffle = false, torch.Device? device = null, int? seed = null, int num_worker = 1, bool drop_last = false,
        bool disposeBatch = true, bool disposeDataset = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        (_dataset, _batchSize, _collate, _device) = (dataset, batchSize, collate_fn, device ?? torch.CPU);
        (_dropLast, _disposeBatch, _disposeDataset) = (drop_last, disposeBatch, disposeDataset);
        _order = shuffle ? () => Shuffled(dataset.Count, seed) : () => Ascending(dataset.Count);
    }

    public long Count => _dropLast ? _dataset.Count / _batchSize : (_dataset.Count + _batchSize - 1) / _batchSize;

    public IEnumerator<S> GetEnumerator()
    {
        foreach (long[] indices in _order().Chunk(_batchSize))
        {
            if (_dropLast && indices.Length < _batchSize) yield break;
            S batch = Load(indices);
            try
            {
                yield return batch;
            }
            finally
            {
                foreach (torch.Tensor tensor in _disposeBatch ? Tensors(batch) : []) tensor.Dispose();
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        if (_disposeDataset) _dataset.Dispose();
    }

    /// <summary>Samples die with the scope; the batch belongs to the loader, or else to the caller.</summary>
    private S Load(long[] indices)
    {
        using DisposeScope scope = torch.NewDisposeScope();
        S batch = _collate(indices.Select(_dataset.GetTensor), _device);
        foreach (torch.Tensor tensor in Tensors(batch))
        {
            if (_disposeBatch) tensor.DetachFromDisposeScope();
            else tensor.MoveToOuterDisposeScope();
        }
        return batch;
    }

    private static IEnumerable<torch.Tensor> Tensors(object? batch) => batch switch
    {
        torch.Tensor tensor => [tensor],
        IDictionary named => Tensors(named.Values),
        IEnumerable list => list.Cast<object?>().SelectMany(Tensors),
        System.Runtime.CompilerServices.ITuple tuple => Enumerable.Range(0, tuple.Length).SelectMany(i => Tensors(tuple[i])),
        _ => [],
    };

    private static IEnumerable<long> Ascending(long count)
    {
        for (long i = 0; i < count; i++) yield return i;
    }

    private static long[] Shuffled(long count, int? seed)
    {
        using torch.Generator? generator = seed is { } number ? new torch.Generator((ulong)number) : null;
        using torch.Tensor order = torch.randperm(count, generator: generator);
        return order.data<long>().ToArray();
    }
}

/// <summary>Batches of named tensors, stacked by name.</summary>
public class DataLoader : DataLoader<Dictionary<string, torch.Tensor>, Dictionary<string, torch.Tensor>>
{
    public DataLoader(torch.utils.data.Dataset dataset, int batchSize, bool shuffle = false, torch.Device device = null!, int? seed = null,
        int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : base(dataset, batchSize, Collate, shuffle, device, seed, num_worker, drop_last, disposeBatch, disposeDataset) { }

    private static Dictionary<string, torch.Tensor> Collate(IEnumerable<Dictionary<string, torch.Tensor>> samples, torch.Device device)
    {
        List<Dictionary<string, torch.Tensor>> all = samples.ToList();
        return all[0].Keys.ToDictionary(name => name, name => torch.stack(all.Select(sample => sample[name])).to(device));
    }
}

/// <summary>Batches of lists of tensors, stacked position by position.</summary>
public class IterableDataLoader : DataLoader<IList<torch.Tensor>, IList<torch.Tensor>>
{
    public IterableDataLoader(torch.utils.data.IterableDataset dataset, int batchSize, bool shuffle = false, torch.Device device = null!,
        int? seed = null, int num_worker = 1, bool drop_last = false, bool disposeBatch = true, bool disposeDataset = true)
        : base(dataset, batchSize, Collate, shuffle, device, seed, num_worker, drop_last, disposeBatch, disposeDataset) { }

    private static List<torch.Tensor> Collate(IEnumerable<IList<torch.Tensor>> samples, torch.Device device)
    {
        List<IList<torch.Tensor>> all = samples.ToList();
        return Enumerable.Range(0, all[0].Count).Select(i => torch.stack(all.Select(sample => sample[i])).to(device)).ToList();
    }
}
