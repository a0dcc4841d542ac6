using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Tests.Distributed;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.MatrixFree;

/// <summary>The inverse whose gradients are spread over ranks, beside the one that holds them all.</summary>
public sealed class ShardedMfacInverseTests
{
    private const double Damping = 1e-2;

    [Theory]
    [InlineData("tanh-mlp weighted, smoothed, ignored")]
    [InlineData("tanh-mlp mse sum")]
    [InlineData("conv")]
    public void Is_the_inverse_over_all_batches_whatever_the_number_of_ranks_and_each_holds_its_share(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem whole = Problems.Create(name);
        using MfacInverse expected = MfacInverse.FromBatches(whole.Objective(2, 1, 1, 3), options: new MfacOptions { Damping = Damping });
        Tensor V = randn(expected.Columns, 2, ScalarType.Float64).to(Here), product = expected.Apply(V);
        foreach (int count in (int[])[1, 2, 3])
        {
            Problem[] problems = [.. Enumerable.Range(0, count).Select(_ => Problems.Create(name))];
            (double[] Product, long Gradients, long Own, List<long> Sums)[] got = ThreadRanks.Run(count, ranks =>
            {
                using ShardedMfacInverse inverse = ShardedMfacInverse.FromBatches(Sharded(problems[ranks.Rank], ranks), Damping);
                ranks.Sums.Clear();
                return (inverse.Apply(V).contiguous().cpu().data<double>().ToArray(), inverse.Gradients, inverse.OwnParameters, ranks.Sums);
            });
            Assert.All(got, rank => Assert.Equal(got[0].Product, rank.Product));
            Assert.All(got, rank => Assert.Equal(expected.Gradients, rank.Gradients));
            Assert.All(got, rank => Assert.Equal([2 * expected.Gradients, 2 * expected.Columns], rank.Sums)); // m numbers a vector, and P
            Assert.Equal(expected.Columns, got.Sum(rank => rank.Own));
            Assert.True(got.Max(rank => rank.Own) - got.Min(rank => rank.Own) <= 1);
            double difference = RankBattery.Difference(product.contiguous().cpu().data<double>().ToArray(), got[0].Product);
            Assert.True(difference < 1e-11, $"{count} ranks: {difference:g3}");
        }
    }

    [Theory]
    [InlineData("tanh-mlp weighted, smoothed, ignored")]
    [InlineData("conv")]
    public void Diagonal_and_elimination_are_those_of_the_inverse_that_holds_all(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem whole = Problems.Create(name);
        int[] places = [.. Enumerable.Range(0, (int)whole.Parameters.Count)];
        Tensor alive = tensor(places.Select(i => i % 7 != 3).ToArray(), device: Here), gone = tensor(places.Select(i => i % 7 == 3 || i % 5 == 1).ToArray(), device: Here), w = whole.Parameters.Snapshot().mul(alive.to(ScalarType.Float64));
        using MfacInverse expected = MfacInverse.FromBatches(whole.Objective(2, 1, 1, 3), options: new MfacOptions { Damping = Damping }, mask: alive);
        MfacElimination elimination = expected.Eliminate(w, gone);
        double[] exact = [.. expected.Diagonal().cpu().data<double>(), .. elimination.Change.cpu().data<double>(), elimination.Increase];
        foreach (int count in (int[])[1, 3])
        {
            Problem[] problems = [.. Enumerable.Range(0, count).Select(_ => Problems.Create(name))];
            double[][] got = ThreadRanks.Run(count, ranks =>
            {
                using ShardedMfacInverse inverse = ShardedMfacInverse.FromBatches(Sharded(problems[ranks.Rank], ranks), Damping, alive);
                MfacElimination own = inverse.Eliminate(w, gone);
                return (double[])[.. inverse.Diagonal().cpu().data<double>(), .. own.Change.cpu().data<double>(), own.Increase];
            });
            Assert.All(got, rank => Assert.Equal(got[0], rank));
            Assert.InRange(RankBattery.Difference(exact, got[0]), 0, 1e-10);
            Assert.Equal(exact[^1], got[0][^1], 1e-9 * exact[^1]);
        }
    }

    [Fact]
    public void Keeps_its_digits_in_single_precision()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv");
        using ShardedMfacInverse exact = ShardedMfacInverse.FromBatches(problem.Objective(2, 1, 1, 3), 1e-4);
        Tensor g = problem.Objective(2, 1, 1, 3).Gradient(), expected = exact.Apply(g);
        Problem single = problem.ToSinglePrecision();
        using ShardedMfacInverse rounded = ShardedMfacInverse.FromBatches(single.Objective(2, 1, 1, 3), 1e-4);
        double difference = Matrices.RelativeDifference(rounded.Apply(single.Objective(2, 1, 1, 3).Gradient()).to(ScalarType.Float64), expected);
        Assert.True(difference < 1e-2, $"{difference:g3}"); // g within rounding (1e-7) of the gradients' span, and what is outside is divided by the damping
    }

    [Fact]
    public void A_gradient_that_is_not_finite_is_an_error_on_all_ranks()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 2).Select(_ => Problems.Create("tanh-mlp mse"))];
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks =>
        {
            Problem problem = problems[ranks.Rank];
            return ShardedMfacInverse.FromBatches(Objective.Supervised(
                problem.Model, problem.Loss, [.. RankBattery.Shard(problem.Batches(3, 4), ranks).Select(batch => ranks.Rank == 0 ? batch : batch with { Targets = batch.Targets.mul(double.NaN) })], problem.Parameters, ranks: ranks));
        });
        Assert.All(errors, error => Assert.IsType<NonFiniteException>(error));
        Assert.StartsWith("On rank 1 of 2: ", errors[0]!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    public void A_damping_that_is_not_positive_is_refused(double damping)
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Throws<CurvatureException>(() => ShardedMfacInverse.FromBatches(Problems.Create("tanh-mlp mse").Objective(), damping));
    }

    private static Objective Sharded(Problem problem, IRanks ranks) =>
        Objective.Supervised(problem.Model, problem.Loss, [.. RankBattery.Shard(problem.Batches(2, 1, 1, 3), ranks)], problem.Parameters, ranks: ranks);
}
