using Curvature.Tensors;

namespace Curvature.Operators;

/// <summary>
/// The linearizations kept between products, by batch, up to a memory budget. Memory is measured, not guessed: what the process has
/// allocated since the cache was empty. TorchSharp reports no GPU memory, so there one batch is kept unless a budget was named.
/// </summary>
internal sealed class GraphCache(long? budget, bool onCpu) : IDisposable
{
    private readonly Dictionary<int, BatchGraph> _kept = [];
    private readonly long _budget = budget ?? HostMemory.Free() / 2;
    private long _before;
    private long _largest;
    private bool _full;

    /// <summary>Whether all of the first <paramref name="batches"/> batches are kept, so that a pass need not touch the data.</summary>
    public bool Holds(int batches) => batches > 0 && _kept.Count == batches;

    /// <summary>Whether the budget allows for any graph.</summary>
    public bool CanKeep => _budget > 0;

    /// <summary>Whether nothing is kept.</summary>
    public bool IsEmpty => _kept.Count == 0;

    /// <summary>The kept linearization of a batch, or null.</summary>
    public BatchGraph? this[int batch] => _kept.GetValueOrDefault(batch);

    /// <summary>
    /// To be called before a batch is linearized, so that its growth can be measured.
    /// </summary>
    public void BeforeBatch()
    {
        if (_kept.Count == 0)
        {
            _before = HostMemory.InUse();
        }
    }

    /// <summary>
    /// Keeps the linearization if the next one, of the largest size seen, would still fit; returns false where the caller must dispose it.
    /// </summary>
    public bool TryKeep(int batch, BatchGraph linearization)
    {
        if (_full || _budget == 0)
        {
            return false;
        }

        if (onCpu)
        {
            long grown = Math.Max(HostMemory.InUse() - _before, 0);
            _largest = Math.Max(_largest, grown / (_kept.Count + 1));
            if (grown > _budget)
            {
                _full = true;
                return false;
            }

            _full = grown + _largest > _budget;
        }
        else
        {
            _full = budget is null;
        }

        _kept.Add(batch, linearization);
        return true;
    }

    /// <summary>Drops all graphs: they belong to parameters that are gone.</summary>
    public void Clear()
    {
        foreach (BatchGraph linearization in _kept.Values)
        {
            linearization.Dispose();
        }

        _kept.Clear();
        (_full, _largest) = (false, 0);
    }

    public void Dispose() => Clear();
}
