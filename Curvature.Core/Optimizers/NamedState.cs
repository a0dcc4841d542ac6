using Curvature.Objectives;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// What an optimizer remembers about one parameter: tensors and counters by name. What it remembers about all of them rides in the state of its first parameter. Saved whole; tensors
/// move with the device.
/// </summary>
public sealed class NamedState : OptimizerState, IDisposable
{
    private const int MostEntries = 1000;
    private readonly SortedDictionary<string, Tensor> _tensors = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _counters = new(StringComparer.Ordinal);
    private IRanks? _among; // whose parts of divided tensors are here, also where this rank's are none

    /// <param name="parameter">The parameter.</param>
    public NamedState(Parameter parameter) : base(parameter)
    {
    }

    /// <summary>How often it was loaded or moved.</summary>
    internal long Arrivals { get; private set; }

    /// <summary>Names of the tensors.</summary>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>What of it ranks hold between them; null: nothing. That is saved whole, by all of them at once, and each loads its own. What is here already is whole, and is divided now.</summary>
    internal DividedTensors? Divided
    {
        get => field is { Ranks.Count: > 1 } ? field : null;
        set
        {
            RequireWhole(value?.Ranks);
            DividedTensors? before = Divided;
            field = value;
            foreach (string name in before is null ? _tensors.Keys.Where(IsDivided).ToList() : [])
            {
                using Tensor whole = _tensors[name];
                _tensors.Remove(name);
                KeepOwn(name, value!.Of(whole));
            }
        }
    }

    /// <summary>Refuses ranks among which it cannot be divided, as it has been among others.</summary>
    internal void RequireWhole(IRanks? ranks)
    {
        if (_among is not null && !ReferenceEquals(_among, ranks))
        {
            throw new CurvatureException("The state that was loaded has been divided among other ranks: load it again after these were told.");
        }
    }

    /// <summary>A counter; 0 before it is set.</summary>
    /// <param name="counter">Its name.</param>
    public long this[string counter]
    {
        get => _counters.GetValueOrDefault(counter);
        set => _counters[counter] = value;
    }

    /// <summary>The tensor of that name, or null. It stays the state's.</summary>
    public Tensor? Find(string name) => _tensors.GetValueOrDefault(name);

    /// <summary>The tensor of that name, at first zeros of the parameter's shape, dtype and device. It stays the state's.</summary>
    public Tensor Zeros(string name)
    {
        if (!_tensors.TryGetValue(name, out Tensor? value))
        {
            using IDisposable noGrad = no_grad();
            using Tensor detached = _parameter.detach();
            value = _tensors[name] = zeros_like(detached).DetachFromDisposeScope();
        }

        return value;
    }

    /// <summary>Keeps a copy of a tensor under a name.</summary>
    public void Set(string name, Tensor value)
    {
        using IDisposable noGrad = no_grad();
        if (_tensors.TryGetValue(name, out Tensor? held) && held.dtype == value.dtype && held.shape.SequenceEqual(value.shape))
        {
            held.copy_(value);
            return;
        }

        Keep(name, value.detach().clone());
    }

    /// <inheritdoc/>
    /// <remarks>Nothing: tensors are made when they are first asked for.</remarks>
    public override void Initialize(OptimizerOptions options)
    {
    }

    /// <inheritdoc/>
    /// <remarks>Where ranks hold tensors between them all of them write, those that do something else meanwhile are refused with them, a writer that fails takes part to the end, and all ranks then throw.</remarks>
    public override void SaveStateDict(BinaryWriter writer)
    {
        DividedTensors? divided = Divided;
        Exception? error = null;
        void Put(Action<BinaryWriter> write)
        {
            if (divided is null)
            {
                write(writer);
            }
            else
            {
                error ??= RankErrors.Caught(() => write(writer));
            }
        }

        if (divided is not null)
        {
            RankCall.Begin(divided.Ranks, RankCall.Save);
        }

        string[] names = [.. _tensors.Keys.Where(name => divided?.Holds(name) != true).Concat(divided?.Names(_tensors) ?? []).Order(StringComparer.Ordinal)];
        Put(WriteCounters);
        Put(to => to.Write(names.Length));
        foreach (string name in names)
        {
            Put(to => to.Write(name));
            if (divided?.Holds(name) == true)
            {
                divided.Write(Put, name, Find(name));
                continue;
            }

            Put(to =>
            {
                using Tensor rows = _tensors[name].contiguous(); // TorchSharp writes no other
                SaveConditionalStateTensor(to, rows);
            });
        }

        if (divided is not null)
        {
            RankErrors.Share(divided.Ranks, error);
        }
    }

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">The file is damaged, or belongs to other parameters.</exception>
    public override void LoadStateDict(BinaryReader reader)
    {
        Dispose();
        Arrivals++;
        _counters.Clear();
        for (int left = Entries(reader); left > 0; left--)
        {
            string name = reader.ReadString();
            _counters[name] = reader.ReadInt64();
        }

        using IDisposable noGrad = no_grad();
        for (int left = Entries(reader); left > 0; left--)
        {
            string name = reader.ReadString();
            if (IsDivided(name))
            {
                KeepOwn(name, Divided!.Read(reader, _parameter.device));
                continue;
            }

            Tensor value = null!;
            LoadConditionalStateTensor(reader, ref value, _parameter.device);
            KeepOwn(name, value);
        }
    }

    /// <inheritdoc/>
    public override void LoadStateDict(OptimizerState source)
    {
        if (ReferenceEquals(source, this))
        {
            return;
        }

        NamedState other = source as NamedState ?? throw new CurvatureException($"Expected the state of the same optimizer, got {source.GetType().Name}.");
        Dispose();
        Arrivals++;
        _counters.Clear();
        using IDisposable noGrad = no_grad();
        foreach ((string name, long value) in other._counters)
        {
            _counters[name] = value;
        }

        foreach ((string name, Tensor value) in other._tensors)
        {
            using Tensor? part = IsDivided(name) && other.Divided is null ? Divided!.Of(value) : value.alias();
            KeepOwn(name, part?.to(_parameter.device, copy: true));
        }
    }

    /// <inheritdoc/>
    public override void to(Device device)
    {
        Arrivals++;
        using IDisposable noGrad = no_grad();
        foreach (string name in _tensors.Keys.ToList())
        {
            Keep(name, _tensors[name].to(device, copy: true));
        }
    }

    /// <summary>Releases the tensors.</summary>
    public void Dispose()
    {
        foreach (Tensor value in _tensors.Values)
        {
            value.Dispose();
        }

        _tensors.Clear();
        _among = null;
    }

    /// <summary>Takes a tensor over under a name, in the place of the one there.</summary>
    internal void Keep(string name, Tensor value)
    {
        if (_tensors.TryGetValue(name, out Tensor? held))
        {
            held.Dispose();
        }

        _tensors[name] = value.DetachFromDisposeScope();
    }

    /// <summary>Whether ranks hold a tensor of that name between them; one is about to be taken in.</summary>
    private bool IsDivided(string name)
    {
        bool isDivided = Divided?.Holds(name) == true;
        _among = isDivided ? Divided!.Ranks : _among;
        return isDivided;
    }

    private void KeepOwn(string name, Tensor? value)
    {
        if (value is not null)
        {
            Keep(name, value);
        }
    }

    private void WriteCounters(BinaryWriter writer)
    {
        writer.Write(_counters.Count);
        foreach ((string name, long value) in _counters)
        {
            writer.Write(name);
            writer.Write(value);
        }
    }

    private static int Entries(BinaryReader reader) => reader.ReadInt32() is >= 0 and <= MostEntries and int count
        ? count
        : throw new CurvatureException($"The optimizer's state is damaged: a parameter has at most {MostEntries} tensors and counters.");
}
