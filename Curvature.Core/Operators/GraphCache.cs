using Curvature.Objectives;
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
    // A batch this much larger than all that were measured is measured, and so are the first few.
    private const double Larger = 1.05;
    private const int FirstFew = 4;

    private readonly Dictionary<int, BatchGraph> _kept = [];
    private readonly long _budget = budget ?? (DeviceMemory.Free(device) ?? HostMemory.Free()) / 2 / ComputeDevice.Sharers(device, processes);
    private readonly bool _measures = DeviceMemory.Free(device) is not null;
    private long? _before;
    private long _grown;
    private long _largest;
    private int _next;
    private double _mostRows;
    private double _mostTerms;
    private int _offered;
    private int _again;
    private bool _full;
    private bool _restarted;

    /// <summary>Whether all of the first <paramref name="batches"/> batches are kept, so that a pass need not touch the data.</summary>
    public bool Holds(int batches) => batches > 0 && _kept.Count == batches;

    /// <summary>Whether the budget allows for any graph.</summary>
    public bool CanKeep => _budget > 0;

    /// <summary>Whether a batch's linearization would be kept, as far as is known before it is made. Each is offered once: what else was allocated since the first pass is no growth of the graphs'.</summary>
    public bool Keeps(int batch) => _kept.Count < _again || (CanKeep && !_full && batch >= _offered);

    /// <summary>Whether nothing is kept.</summary>
    public bool IsEmpty => _kept.Count == 0;

    /// <summary>All that is kept.</summary>
    public IEnumerable<BatchGraph> All => _kept.Values;

    /// <summary>The kept linearization of a batch, or null.</summary>
    public BatchGraph? this[int batch] => _kept.GetValueOrDefault(batch);

    /// <summary>
    /// To be called before a batch is linearized, so that its growth can be measured.
    /// </summary>
    public void BeforeBatch(int place)
    {
        if (_kept.Count > 0 || _again > 0 || !_measures || !Keeps(place))
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
    /// Keeps the linearization of a place in the pass if it fits; returns false where the caller must dispose it. One that does not fit because it is larger than the others leaves the rest of the budget to them.
    /// </summary>
    /// <param name="place">Of its batch in the pass.</param>
    /// <param name="batch">Its batch.</param>
    /// <param name="linearization">It.</param>
    /// <param name="beside">Bytes that the pass took for its own since the first batch; on a GPU they may have come from what libtorch keeps, and be no growth.</param>
    public bool TryKeep(int place, ObjectiveBatch batch, BatchGraph linearization, long beside)
    {
        if (!Keeps(place))
        {
            return false;
        }

        _offered = place + 1;
        if (_kept.Count < _again)
        {
            _kept.Add(place, linearization);
            return true;
        }

        if (_measures)
        {
            int count = _kept.Count + 1;
            bool isLarger = batch.Rows > Larger * _mostRows || batch.Terms > Larger * _mostTerms, isAsLarge = Larger * batch.Rows >= _mostRows && Larger * batch.Terms >= _mostTerms;
            if (Foresees(count, isLarger))
            {
                _grown += _largest;
                _kept.Add(place, linearization);
                return true;
            }

            (_mostRows, _mostTerms) = (Math.Max(_mostRows, batch.Rows), Math.Max(_mostTerms, batch.Terms));
            long grown = Math.Max(Measure() - _before!.Value - (device.type == DeviceType.CPU ? beside : 0), 0);
            if (grown > _budget)
            {
                _full = device.type != DeviceType.CPU || (_kept.Count > 0 && _grown + (_grown / _kept.Count) > _budget);
                return false;
            }

            _largest = Math.Max(count == 2 && isAsLarge ? 0 : _largest, // the first one takes what is made once, too;
                device.type == DeviceType.CPU ? grown - _grown : grown / count); // and a device gives memory in pieces larger than a graph
            _grown = grown;
            _next = count < FirstFew ? count + 1 : count + (int)Math.Clamp((_budget - grown) / (2 * Math.Max(grown / count, 1)), 1, count);
            _full = grown + (device.type == DeviceType.CPU ? grown / count : _largest) > _budget;
        }
        else
        {
            _full = budget is null;
        }

        _kept.Add(place, linearization);
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
            (_full, _grown, _largest, _next, _mostRows, _mostTerms) = (false, 0, 0, 0, 0, 0);
        }
        else
        {
            _again = Math.Max(_again, _kept.Count);
        }

        _offered = 0;
        _kept.Clear();
    }

    /// <summary>Drops all graphs and what is known of their size: those to come are of another kind.</summary>
    public void Restart()
    {
        Clear();
        _restarted |= _before is not null;
        (_before, _grown, _largest, _again, _full) = (null, 0, 0, 0, false);
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
    /// Whether a graph is taken to be as large as the largest, and not measured. A GPU answers at once and is asked each time. In main memory counting walks the heap's free blocks, a tenth of a second where they are many: it is asked after each of the first few
    /// graphs, then when as many again were made or half of those that still fit, for a batch larger than all before, and before one is refused or the last that fits. No clock is asked: on any machine the same graphs are measured.
    /// </summary>
    private bool Foresees(int count, bool isLarger) => device.type == DeviceType.CPU && !isLarger && count < _next && _grown + (2 * _largest) <= _budget;

    /// <summary>
    /// Memory now. In main memory what is allocated, whatever the heap hoards and the kernel has mapped: with freed memory kept (<see cref="FreedMemory"/>) graphs make nothing resident that was not.
    /// </summary>
    private long Measure() => DeviceMemory.Taken(device)!.Value;
}
