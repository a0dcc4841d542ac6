using System.Diagnostics;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Distributed;

/// <summary>
/// Ranks of which each looks at the clock while it waits for the others: MPI itself waits for ever for a rank that hangs. The limit is for one sum or barrier, which includes the time by which the slowest rank is behind
/// this one, so choose it well above the time of a pass over the data.
/// </summary>
public sealed class WatchedRanks : IRanks, IDisposable
{
    private static readonly TimeSpan Often = TimeSpan.FromSeconds(1);

    private readonly IRanks _ranks;
    private readonly TimeSpan _limit;
    private readonly Action _expired;
    private readonly Timer _timer;
    private long _since;
    private int _told;

    /// <param name="ranks">The ranks; not owned.</param>
    /// <param name="limit">How long to wait.</param>
    /// <param name="expired">Called once, on another thread, when a wait is longer: the thread that waits cannot be woken, so end the process, and with <see cref="Communicator.Abort"/> all of them.</param>
    public WatchedRanks(IRanks ranks, TimeSpan limit, Action expired)
    {
        (_ranks, _limit, _expired) = (ranks, limit, expired);
        TimeSpan interval = limit / 4 < Often ? limit / 4 : Often;
        _timer = new Timer(_ => Look(), null, interval, interval);
    }

    /// <inheritdoc/>
    public int Rank => _ranks.Rank;

    /// <inheritdoc/>
    public int Count => _ranks.Count;

    /// <inheritdoc/>
    public int OnThisMachine => _ranks.OnThisMachine;

    /// <inheritdoc/>
    public void Sum(Tensor values) => Within(() => _ranks.Sum(values));

    /// <inheritdoc/>
    public void SumTo(Tensor values, int to) => Within(() => _ranks.SumTo(values, to));

    /// <inheritdoc/>
    public void Broadcast(Tensor values, int from = 0) => Within(() => _ranks.Broadcast(values, from));

    /// <inheritdoc/>
    public void Barrier() => Within(_ranks.Barrier);

    /// <summary>Stops looking at the clock.</summary>
    public void Dispose() => _timer.Dispose();

    private void Within(Action wait)
    {
        Volatile.Write(ref _since, Stopwatch.GetTimestamp());
        try
        {
            wait();
        }
        finally
        {
            Volatile.Write(ref _since, 0);
        }
    }

    private void Look()
    {
        long since = Volatile.Read(ref _since);
        if (since != 0 && Stopwatch.GetElapsedTime(since) > _limit && Interlocked.Exchange(ref _told, 1) == 0)
        {
            _expired();
        }
    }
}
