using Curvature.Cli.Work;
using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>What each rank reads of a data file, counted.</summary>
public class SampleSetTests
{
    private const int Count = 1797;

    [Theory]
    [InlineData(2, 256)]
    [InlineData(3, 256)]
    [InlineData(3, 1000)]
    public void Each_rank_reads_its_share_alone_and_the_shares_are_the_batches_of_all(int ranks, int batchSize)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (bool some in (bool[])[false, true])
        {
            (SampleSet one, long[] read) = Open(0, 1);
            using SampleSet alone = one;
            SampleSet whole = some ? alone.Choose(600, seed: 3) : alone;
            Batch[] expected = [.. whole.Share(batchSize, OneRank.Instance)];
            Assert.Equal(Count, read[0]);
            List<Batch> got = [];
            for (int rank = 0; rank < ranks; rank++)
            {
                (SampleSet file, long[] own) = Open(rank, ranks);
                SampleSet share = some ? file.Choose(600, seed: 3) : file;
                IReadOnlyList<Batch> batches = share.Share(batchSize, new Seat(rank, ranks));
                got.AddRange(batches);
                Assert.Equal(batches.Sum(batch => batch.Inputs.shape[0]), own[0]);
                Assert.InRange(own[0], 0, ((whole.Count + batchSize - 1) / batchSize / ranks * batchSize) + batchSize);
                share.Share(batchSize, new Seat(rank, ranks));
                Assert.Equal(batches.Sum(batch => batch.Inputs.shape[0]), own[0]); // once
            }

            Assert.Equal(expected.Length, got.Count);
            Assert.All(expected.Zip(got), pair => Assert.True(pair.First.Inputs.Equals(pair.Second.Inputs) && pair.First.Targets.Equals(pair.Second.Targets)));
        }
    }

    /// <summary>The digits as a rank has them, and how many rows it has read.</summary>
    private static (SampleSet Samples, long[] Read) Open(int rank, int ranks)
    {
        long[] read = [0];
        return (SampleSet.Open(
            Repository.File("data/digits.csv.gz"),
            new DataOptions { Target = "-1" },
            rows =>
            {
                read[0] += rows.Count;
                return rows.To(ScalarType.Float32, CPU);
            },
            new Seat(rank, ranks)), read);
    }

    /// <summary>A place among ranks that nobody is at: shares depend on it alone.</summary>
    private sealed class Seat(int rank, int count) : IRanks
    {
        public int Rank => rank;

        public int Count => count;

        public void Sum(Tensor values) => throw new InvalidOperationException("Nothing is to be summed here.");

        public void Barrier() => throw new InvalidOperationException("Nobody is to be waited for here.");
    }
}
