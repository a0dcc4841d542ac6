using Curvature.Data;
using Curvature.Distributed;
using Curvature.Objectives;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>Who takes what.</summary>
public sealed class ShardTests
{
    [Theory]
    [InlineData(10, 3)]
    [InlineData(2, 4)]
    [InlineData(0, 2)]
    public void Shards_one_after_the_other_are_all_items_and_differ_by_one_at_most(int count, int ranks)
    {
        int[] items = [.. Enumerable.Range(0, count)];
        int[][] shards = [.. Enumerable.Range(0, ranks).Select(rank => Shard.Of(items, new Rank(rank, ranks)).ToArray())];
        Assert.Equal(items, shards.SelectMany(shard => shard));
        Assert.True(shards.Max(shard => shard.Length) - shards.Min(shard => shard.Length) <= 1);
    }

    [Fact]
    public void Samples_are_shared_out_in_batches_of_the_size_asked_for()
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset data = new(arange(11, ScalarType.Float32).unsqueeze(1), arange(11, ScalarType.Int64), "numbers");
        long[][][] shards = [.. Enumerable.Range(0, 3).Select(rank => Shard.Of(data, 3, new Rank(rank, 3)).Select(batch => batch.Targets.data<long>().ToArray()).ToArray())];
        Assert.Equal(Enumerable.Range(0, 11).Select(i => (long)i), shards.SelectMany(shard => shard).SelectMany(batch => batch));
        Assert.Equal([[3], [3, 1], [3, 1]], shards.Select(shard => shard.Select(batch => batch.Length).ToArray()));
        Assert.Throws<CurvatureException>(() => Shard.Of(data, 0, OneRank.Instance));
    }

    [Fact]
    public void Without_a_launcher_a_program_runs_alone_and_no_MPI_is_asked_for()
    {
        Assert.Equal(1, Launcher.Ranks);
        Assert.Equal(7, Communicator.Run(ranks => ranks is OneRank ? 7 : 0));
        Assert.Throws<CurvatureException>(() => Communicator.Run(_ => throw new CurvatureException("told to the caller")));
    }

    [Theory]
    [InlineData("8", 0, 8)]
    [InlineData("8(x3),5", 2, 8)]
    [InlineData("8(x3),5", 3, 5)]
    [InlineData("2,4(x2),1", 3, 1)]
    [InlineData("8(x3),5", 4, null)]
    [InlineData("", 0, null)]
    [InlineData(null, 0, null)]
    [InlineData("many", 0, null)]
    public void The_tasks_of_a_node_are_read_from_Slurms_list(string? list, int node, int? expected) => Assert.Equal(expected, Launcher.TasksOf(list, node));

    [Fact]
    public void An_MPI_that_lets_one_thread_alone_call_it_is_refused()
    {
        Communicator.RequireThreads(2, isOurs: true);
        Communicator.RequireThreads(3, isOurs: false);
        Assert.Contains("MPI_THREAD_FUNNELED, which lets one thread alone call it; MPI_THREAD_SERIALIZED is needed", Assert.Throws<CurvatureException>(() => Communicator.RequireThreads(1, isOurs: true)).Message, StringComparison.Ordinal);
        Assert.EndsWith("Begin it by MPI_Init_thread with that level, or leave it to Communicator.World.", Assert.Throws<CurvatureException>(() => Communicator.RequireThreads(0, isOurs: false)).Message, StringComparison.Ordinal);
    }

    /// <summary>A rank that talks to nobody.</summary>
    private sealed class Rank(int rank, int count) : IRanks
    {
        int IRanks.Rank => rank;

        public int Count => count;

        public void Sum(Tensor values) => throw new NotSupportedException();

        public void Barrier() => throw new NotSupportedException();
    }
}
