using Curvature.Distributed;
using Curvature.Objectives;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

public sealed class WatchedRanksTests
{
    [Fact]
    public void A_wait_beyond_the_limit_is_told_once_and_a_shorter_one_never()
    {
        using Waiting ranks = new();
        int told = 0;
        using ManualResetEventSlim expired = new();
        using WatchedRanks watched = new(ranks, TimeSpan.FromSeconds(1.5), () =>
        {
            Interlocked.Increment(ref told);
            expired.Set();
        });
        for (int i = 0; i < 9; i++)
        {
            using Tensor values = ones(2);
            watched.Sum(values); // short, and from the first to the last longer than the limit
            Thread.Sleep(200);
        }

        Assert.Equal(0, told);
        Thread waits = new(watched.Barrier);
        waits.Start();
        Assert.True(expired.Wait(TimeSpan.FromMinutes(1)));
        Thread.Sleep(1000); // it looks four times within the limit
        ranks.Release();
        waits.Join();
        Assert.Equal((1, 1, 3), (told, watched.Rank, watched.Count));
    }

    /// <summary>Ranks whose barrier waits until it is released.</summary>
    private sealed class Waiting : IRanks, IDisposable
    {
        private readonly ManualResetEventSlim _open = new();

        public int Rank => 1;

        public int Count => 3;

        public void Sum(Tensor values)
        {
        }

        public void Barrier() => _open.Wait();

        public void Release() => _open.Set();

        public void Dispose() => _open.Dispose();
    }
}
