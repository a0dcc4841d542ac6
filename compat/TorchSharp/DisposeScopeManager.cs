namespace TorchSharp;

/// <summary>A thread's stack of dispose scopes, as a linked list from the current one outwards.</summary>
public class DisposeScopeManager
{
    [ThreadStatic] private static DisposeScopeManager? threadSingleton;

    internal static DisposeScopeManager ThreadSingleton => threadSingleton ??= new();

    /// <summary>Counts of this thread.</summary>
    public static ThreadDisposeScopeStatistics Statistics => ThreadSingleton.StatisticsInstance;

    internal ThreadDisposeScopeStatistics StatisticsInstance { get; } = new();

    internal DisposeScope? Current { get; private set; }

    internal DisposeScope Open() => Current = new DisposeScope(this);

    // Closing an outer scope first closes the inner ones' membership in the stack as well.
    internal void Close(DisposeScope scope)
    {
        for (var open = Current; open is not null; open = open.Outer)
        {
            if (open != scope) continue;
            Current = scope.Outer;
            return;
        }
    }

    internal void Register(torch.Tensor tensor)
    {
        if (Current is null)
        {
            StatisticsInstance.TensorStatistics.CreatedOutsideScopeCount++;
            return;
        }
        Current.Adopt(tensor);
        StatisticsInstance.TensorStatistics.CreatedInScopeCount++;
    }
}

/// <summary>What happened to this thread's tensors, for leak tests.</summary>
public class ThreadDisposeScopeStatistics
{
    public LifetimeStatistics TensorStatistics { get; } = new();

    public void Reset() => TensorStatistics.Reset();
}

/// <summary>Counts of one kind of disposable on one thread.</summary>
public class LifetimeStatistics
{
    public long CreatedOutsideScopeCount { get; internal set; }

    public long DisposedOutsideScopeCount { get; internal set; }

    public long CreatedInScopeCount { get; internal set; }

    public long DisposedInScopeCount { get; internal set; }

    public long AttachedToScopeCount { get; internal set; }

    public long DetachedFromScopeCount { get; internal set; }

    public long ThreadTotalLiveCount => CreatedOutsideScopeCount - DisposedOutsideScopeCount + CreatedInScopeCount - DisposedInScopeCount;

    public void Reset() => CreatedOutsideScopeCount = DisposedOutsideScopeCount = CreatedInScopeCount = DisposedInScopeCount = AttachedToScopeCount = DetachedFromScopeCount = 0;
}
