using System.Numerics;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The linearizations kept between products, by batch, up to a memory budget. Memory is measured, not guessed: what the process has
/// allocated since the cache was empty; on a GPU what libtorch has taken of the device since then, and where the device does not tell, one batch is kept unless a budget was named. There libtorch
/// keeps what dropped graphs give back, and those that are made in their place take nothing that is seen: as many as were kept before are kept again, and none beyond them once the budget was found full.
/// Nor is anything seen of graphs that fit into what it keeps of other tensors: where a budget was named, libtorch gives that back before the first graph. Half of what is free needs no such thing, for what libtorch kept before is not free. Graphs of
/// another kind (<see cref="Restart"/>) take other memory than those before them: they are measured from nothing again, once libtorch has given back what those had.
/// </summary>
/// <param name="budget">Bytes; null: half of what is free, divided by the processes that share it.</param>
/// <param name="device">Whose memory it is.</param>
/// <param name="processes">How many processes do likewise on this machine.</param>
internal sealed class GraphCache(long? budget, Device device, int processes) : IDisposable
{
    private readonly Dictionary<int, BatchGraph> _kept = [];
    private readonly long _budget = budget ?? (DeviceMemory.Free(device) ?? HostMemory.Free()) / 2 / DeviceMemory.Sharers(device, processes);
    private readonly bool _measures = DeviceMemory.Free(device) is not null;
    private long? _before;
    private long _largest;
    private int _again;
    private bool _full;
    private bool _restarted;

    /// <summary>Whether all of the first <paramref name="batches"/> batches are kept, so that a pass need not touch the data.</summary>
    public bool Holds(int batches) => batches > 0 && _kept.Count == batches;

    /// <summary>Whether the budget allows for any graph.</summary>
    public bool CanKeep => _budget > 0;

    /// <summary>Whether the next linearization would be kept, as far as is known before it is made.</summary>
    public bool KeepsNext => _kept.Count < _again || (CanKeep && !_full);

    /// <summary>Whether nothing is kept.</summary>
    public bool IsEmpty => _kept.Count == 0;

    /// <summary>All that is kept.</summary>
    public IEnumerable<BatchGraph> All => _kept.Values;

    /// <summary>The kept linearization of a batch, or null.</summary>
    public BatchGraph? this[int batch] => _kept.GetValueOrDefault(batch);

    /// <summary>
    /// To be called before a batch is linearized, so that its growth can be measured.
    /// </summary>
    public void BeforeBatch()
    {
        if (_kept.Count > 0 || _again > 0 || _full || !CanKeep || !_measures)
        {
            return;
        }

        if (device.type == DeviceType.CPU || (budget is null && !_restarted))
        {
            _before = Measure();
        }
        else if (_before is null)
        {
            _ = DeviceMemory.FreeAfterRelease(device); // once for a kind of graphs: tensors are slow to get their memory for a while
            _before = Measure();
        }
    }

    /// <summary>
    /// Keeps the linearization if the next one, of the largest size seen, would still fit; returns false where the caller must dispose it.
    /// </summary>
    public bool TryKeep(int batch, BatchGraph linearization)
    {
        if (!KeepsNext)
        {
            return false;
        }

        if (_kept.Count < _again)
        {
            _kept.Add(batch, linearization);
            return true;
        }

        if (_measures)
        {
            long grown = device.type != DeviceType.CPU || BitOperations.IsPow2(_kept.Count + 1) ? Math.Max(Measure() - _before!.Value, 0) : _largest * (_kept.Count + 1);
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

        if (device.type == DeviceType.CPU)
        {
            (_full, _largest) = (false, 0);
        }
        else
        {
            _again = Math.Max(_again, _kept.Count);
        }

        _kept.Clear();
    }

    /// <summary>Drops all graphs and what is known of their size: those to come are of another kind.</summary>
    public void Restart()
    {
        Clear();
        _restarted |= _before is not null;
        (_before, _largest, _again, _full) = (null, 0, 0, false);
    }

    /// <summary>Told where no linearization came of a batch: what is taken until the next one is made is none of its growth. Where graphs are kept again, those after them are measured from where the first ones were.</summary>
    public void Abandon()
    {
        if (IsEmpty && _again == 0)
        {
            _before = null;
        }
    }

    public void Dispose() => Clear();

    /// <summary>
    /// Memory now: for a budget that was named, what is allocated, whatever the heap hoards; for the default one what is resident, since a graph that fits
    /// into hoarded memory takes none that is free. Counting what is allocated walks the heap's free blocks, a tenth of a second where they are
    /// many: it is asked for after 1, 2, 4, 8... graphs, and the ones between are taken to be as large as the largest. A GPU answers at once and is asked each time.
    /// </summary>
    private long Measure() => device.type != DeviceType.CPU ? DeviceMemory.Taken(device)!.Value : budget is null ? Environment.WorkingSet : HostMemory.InUse();
}
