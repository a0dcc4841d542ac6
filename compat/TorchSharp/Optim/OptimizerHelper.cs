using TorchSharp.Utils;

namespace TorchSharp.Modules;

/// <summary>The base of optimizers written in C#: groups, per-parameter state by native handle, and files of both.</summary>
public abstract class OptimizerHelper : torch.optim.Optimizer
{
    protected OptimizerOptions _defaults = null!;
    protected OrderedDict<IntPtr, OptimizerState> _state = new();

    public OptimizerHelper() : base(IntPtr.Zero) { }

    /// <summary>
    /// Evaluates the closure once, with gradients and outside any new scope; then runs <paramref name="body"/> on each group without
    /// gradients and inside a dispose scope (tensors that must live on are detached from it by the body).
    /// </summary>
    protected torch.Tensor _step<T>(Action<T> body, Func<torch.Tensor> loss_closure = null!) where T : ParamGroup
    {
        torch.Tensor? loss = null;
        if (loss_closure is not null)
        {
            using IDisposable grad = torch.enable_grad();
            loss = loss_closure();
        }
        using IDisposable noGrad = torch.no_grad();
        using DisposeScope scope = torch.NewDisposeScope();
        foreach (ParamGroup group in _parameter_groups) body((T)group);
        return loss!;
    }

    /// <summary>Adds a group, with a copy of the default options unless it has its own, and makes the state of its parameters.</summary>
    private protected void Add<TOptions>(ParamGroup group, Func<Parameter, OptimizerState> newState)
        where TOptions : OptimizerOptions, new()
    {
        if (group.Options is not TOptions)
        {
            var options = new TOptions();
            options.LoadStateDict(_defaults);
            options.LearningRate = group.Options?.LearningRate ?? _defaults.LearningRate;
            group.Options = options;
        }
        group.InitialLearningRate = group.LearningRate;
        group.Parameters = group.Parameters.ToList();
        foreach (Parameter parameter in group.Parameters)
        {
            OptimizerState state = newState(parameter);
            state.Initialize(group.Options);
            _state[parameter.Handle] = state;
        }
        _parameter_groups.Add(group);
    }

    public virtual StateDictionary state_dict()
    {
        var dictionary = new StateDictionary();
        foreach (ParamGroup group in _parameter_groups)
        {
            dictionary.Options.Add(group.Options);
            List<OptimizerState> states = States(group);
            dictionary.StateIndexRef.Add(Enumerable.Range(dictionary.State.Count, states.Count).ToList());
            dictionary.State.AddRange(states);
        }
        return dictionary;
    }

    public virtual void load_state_dict(StateDictionary state_dict)
    {
        StateDictionary own = this.state_dict();
        RequireCounts(own, state_dict.Options.Count, state_dict.State.Count);
        for (int i = 0; i < own.Options.Count; i++) own.Options[i].LoadStateDict(state_dict.Options[i]);
        for (int i = 0; i < own.State.Count; i++) own.State[i].LoadStateDict(state_dict.State[i]);
    }

    public void save_state_dict(BinaryWriter writer)
    {
        StateDictionary own = state_dict();
        writer.Write(GetType().Name);
        writer.Write7BitEncodedInt64(own.Options.Count);
        writer.Write7BitEncodedInt64(own.State.Count);
        own.Options.ForEach(options => options.SaveStateDict(writer));
        own.State.ForEach(state => state.SaveStateDict(writer));
    }

    public void load_state_dict(BinaryReader reader) => DatFormat.Guarded(() =>
    {
        string name = reader.ReadString();
        if (name != GetType().Name)
        {
            throw new ArgumentException($"The file holds the state of the optimizer {name}, not of {GetType().Name}.");
        }
        StateDictionary own = state_dict();
        RequireCounts(own, reader.Read7BitEncodedInt64(), reader.Read7BitEncodedInt64());
        own.Options.ForEach(options => options.LoadStateDict(reader));
        own.State.ForEach(state => state.LoadStateDict(reader));
    });

    public void to(torch.Device device)
    {
        foreach (OptimizerState state in _state.Values) state.to(device);
    }

    private static void RequireCounts(StateDictionary own, long groups, long states)
    {
        if (groups != own.Options.Count || states != own.State.Count)
        {
            throw new ArgumentException($"The state to load has {groups} groups and {states} parameters with state, "
                + $"but this optimizer has {own.Options.Count} and {own.State.Count}.");
        }
    }

    private List<OptimizerState> States(ParamGroup group) =>
        group.Parameters.Where(parameter => _state.ContainsKey(parameter.Handle)).Select(parameter => _state[parameter.Handle]).ToList();

    private protected void DisposeStates()
    {
        foreach (IDisposable state in _state.Values.OfType<IDisposable>()) state.Dispose();
        _state.Clear();
    }
}
