namespace TorchSharp;

/// <summary>
/// Disposes, at its own end, what was made while it was the thread's current scope and has not been moved out. Scopes nest and belong to the
/// thread that opened them; tensors are held by reference identity.
/// </summary>
public sealed class DisposeScope : IDisposable
{
    private readonly DisposeScopeManager manager;
    private readonly HashSet<IDisposable> members = new(ReferenceEqualityComparer.Instance);

    internal DisposeScope(DisposeScopeManager manager)
    {
        this.manager = manager;
        Outer = manager.Current;
    }

    internal DisposeScope? Outer { get; }

    public int DisposablesCount => members.Count;

    public IReadOnlyList<IDisposable> DisposablesView => [.. members];

    public bool Contains(IDisposable disposable) => members.Contains(disposable);

    public void Attach(IDisposable disposable)
    {
        if (disposable is torch.Tensor tensor)
        {
            if (tensor.OwningDisposeScope is { } owner) owner.members.Remove(tensor);
            tensor.OwningDisposeScope = this;
            manager.StatisticsInstance.TensorStatistics.AttachedToScopeCount++;
        }
        members.Add(disposable);
    }

    /// <summary>Keeps it alive beyond every scope; whoever holds it disposes it.</summary>
    public T Detach<T>(T disposable) where T : IDisposable
    {
        if (members.Remove(disposable)) Leave(disposable, null);
        return disposable;
    }

    public void Detach(IEnumerable<IDisposable> disposables)
    {
        foreach (var disposable in disposables) Detach(disposable);
    }

    /// <summary>Hands it to the enclosing scope; without one it is detached.</summary>
    public T MoveToOuter<T>(T disposable) where T : IDisposable => MoveToOther(Outer, disposable);

    public T MoveToOther<T>(DisposeScope? scope, T disposable) where T : IDisposable
    {
        if (members.Remove(disposable)) Leave(disposable, scope);
        return disposable;
    }

    public void DisposeEverything() => DisposeEverythingBut([]);

    public void DisposeEverythingBut(IEnumerable<IDisposable> inKeep)
    {
        var keep = new HashSet<IDisposable>(inKeep, ReferenceEqualityComparer.Instance);
        var gone = members.Where(member => !keep.Contains(member)).ToArray();
        members.ExceptWith(gone);
        foreach (var member in gone) member.Dispose();
    }

    public void DisposeEverythingBut(params IDisposable[] keep) => DisposeEverythingBut((IEnumerable<IDisposable>)keep);

    /// <summary>A member that was disposed on its own is no longer ours.</summary>
    public void MarkAsDisposed(IDisposable disposable)
    {
        members.Remove(disposable);
        if (disposable is not torch.Tensor tensor) return;
        tensor.OwningDisposeScope = null;
        manager.StatisticsInstance.TensorStatistics.DisposedInScopeCount++;
    }

    public void Dispose()
    {
        DisposeEverything();
        manager.Close(this);
    }

    private void Leave(IDisposable disposable, DisposeScope? target)
    {
        if (disposable is torch.Tensor tensor)
        {
            tensor.OwningDisposeScope = null;
            if (target is null) manager.StatisticsInstance.TensorStatistics.DetachedFromScopeCount++;
        }
        target?.Attach(disposable);
    }

    /// <summary>A tensor just made: the hot path of Attach.</summary>
    internal void Adopt(torch.Tensor tensor)
    {
        tensor.OwningDisposeScope = this;
        members.Add(tensor);
    }
}
