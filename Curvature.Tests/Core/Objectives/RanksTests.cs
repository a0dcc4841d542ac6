using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Distributed;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Objectives;

/// <summary>Objectives and matrices whose data is spread over ranks, uneven and with an empty shard, beside the same in one process.</summary>
public sealed class RanksTests
{
    private const int Seed = 3;

    /// <summary>Forward mode has one level of tangents a process, which threads would share.</summary>
    private static readonly CurvatureOptions NoForwardMode = new() { Extensions = null };

    public static TheoryData<string> Cases => [.. Problems.AllNames];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Values_gradients_and_every_matrix_are_those_of_all_data_whatever_the_number_of_ranks(string name) =>
        AssertSame(ranks => RankBattery.MeasureMatrices(name, ranks, NoForwardMode), 2, 3, 4);

    [Fact]
    public void Estimators_solvers_and_layer_wise_approximations_are_those_of_all_data_whatever_the_number_of_ranks() =>
        AssertSame(ranks => RankBattery.Measure(ranks, NoForwardMode), 3);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_product_is_one_sum_of_the_numbers_in_its_vectors(int columns)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [Problems.Create("conv"), Problems.Create("conv"), Problems.Create("conv")];
        long count = problems[0].Parameters.Count;
        foreach (string matrix in KnownOperators.Names)
        {
            List<long>[] sums = ThreadRanks.Run(3, ranks =>
            {
                using CurvatureOperator a = KnownOperators.Create(matrix, Sharded(problems[ranks.Rank], ranks, [3, 1, 3]), NoForwardMode, Seed);
                Tensor v = ones([count, columns], ScalarType.Float64, device: Here);
                a.Apply(v).Dispose();
                ranks.Sums.Clear(); // of the first product: how many terms each has
                a.Apply(v).Dispose();
                a.Apply(v).Dispose();
                return ranks.Sums;
            });
            Assert.All(sums, rank => Assert.Equal([count * columns, count * columns], rank));
        }
    }

    [Fact]
    public void Lambda_counts_once()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [Problems.Create("tanh-mlp mse"), Problems.Create("tanh-mlp mse"), Problems.Create("tanh-mlp mse")];
        Objective Of(Problem problem, IEnumerable<Batch> batches, IRanks? ranks) => Objective.Supervised(problem.Model, problem.Loss, batches, problem.Parameters, l2: 0.3, ranks);
        Objective whole = Of(problems[0], problems[0].Batches(3, 1, 3), null);
        double value = whole.Value();
        Tensor gradient = whole.Gradient();
        double[][] got = ThreadRanks.Run(2, ranks =>
        {
            Objective part = Of(problems[1 + ranks.Rank], Shard(problems[1 + ranks.Rank], ranks, [3, 1, 3]), ranks);
            return (double[])[part.Value(), .. part.Gradient().cpu().data<double>().ToArray()];
        });
        Assert.True(Difference([value, .. gradient.cpu().data<double>().ToArray()], got[0]) < 1e-14);
    }

    [Fact]
    public void An_error_in_one_ranks_data_is_an_error_of_the_same_kind_on_all_and_nothing_waits_after_it()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 3).Select(_ => Problems.Create("tanh-mlp mse"))];
        (Exception[] Of, double After)[] got = ThreadRanks.Run(3, ranks =>
        {
            Problem problem = problems[ranks.Rank];
            bool broken = true;
            IEnumerable<Batch> Batches()
            {
                foreach (Batch batch in Shard(problem, ranks, [3, 1, 3]))
                {
                    yield return broken && ranks.Rank == 2 ? new Batch(batch.Inputs.mul(double.PositiveInfinity), batch.Targets) : batch;
                }
            }

            Objective objective = Objective.Supervised(problem.Model, problem.Loss, Batches(), problem.Parameters, ranks: ranks);
            using GgnOperator ggn = new(objective);
            Tensor v = ones(ggn.Columns, ScalarType.Float64, device: Here);
            Exception[] errors = [Record.Exception(() => objective.Value())!, Record.Exception(() => objective.Gradient())!, Record.Exception(() => ggn.Apply(v))!];
            broken = false;
            return (errors, objective.Value());
        });
        Assert.All(got, rank => Assert.All(rank.Of, error => Assert.IsType<NonFiniteException>(error)));
        Assert.StartsWith("On rank 2 of 3: The loss of batch 0 is NaN", got[0].Of[0].Message, StringComparison.Ordinal);
        Assert.StartsWith("The loss of batch 0 is NaN", got[2].Of[0].Message, StringComparison.Ordinal);
        Assert.All(got, rank => Assert.Equal(got[0].After, rank.After));
    }

    [Fact]
    public void A_rank_whose_data_cannot_be_read_or_does_not_fit_the_model_ends_the_product_of_all()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 3).Select(_ => Problems.Create("tanh-mlp mse"))];
        foreach (bool unreadable in (bool[])[true, false])
        {
            (_, Exception?[] errors) = ThreadRanks.Try(3, ranks =>
            {
                Problem problem = problems[ranks.Rank];
                IEnumerable<Batch> Batches()
                {
                    foreach (Batch batch in Shard(problem, ranks, [3, 1, 3]))
                    {
                        yield return ranks.Rank != 2 ? batch : unreadable ? throw new IOException("the disk is gone") : new Batch(batch.Inputs.narrow(1, 0, 2), batch.Targets);
                    }
                }

                using HessianOperator hessian = new(Objective.Supervised(problem.Model, problem.Loss, Batches(), problem.Parameters, ranks: ranks));
                return hessian.Apply(ones(hessian.Columns, ScalarType.Float64, device: Here));
            });
            Assert.All(errors[..2], error => Assert.Contains(unreadable ? "On rank 2 of 3: IOException: the disk is gone" : "On rank 2 of 3: The model rejected batch 0", Assert.IsType<CurvatureException>(error).Message, StringComparison.Ordinal));
            Assert.Equal(unreadable ? typeof(IOException) : typeof(CurvatureException), errors[2]!.GetType());
        }
    }

    [Fact]
    public void Cancellation_of_one_rank_is_one_of_all()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 2).Select(_ => Problems.Create("tanh-mlp mse"))];
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks =>
        {
            Objective objective = Sharded(problems[ranks.Rank], ranks, [3, 1, 3]);
            objective.Value();
            return objective.Value(new CancellationToken(canceled: ranks.Rank == 1));
        });
        Assert.All(errors, error => Assert.IsAssignableFrom<OperationCanceledException>(error));
        Assert.StartsWith("On rank 1 of 2: ", errors[0]!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_terms_on_any_rank_is_an_error_on_each()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 2).Select(_ => Problems.Create("tanh-mlp mse"))];
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks =>
            Objective.Supervised(problems[ranks.Rank].Model, problems[ranks.Rank].Loss, [], problems[ranks.Rank].Parameters, ranks: ranks).Gradient());
        Assert.All(errors, error => Assert.Contains("no loss terms", Assert.IsType<CurvatureException>(error).Message, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_no_sum_over_the_data_refuses_several_ranks_on_each()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 2).Select(_ => Problems.Create("tanh-mlp mse"))];
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks => new JacobianOperator(Sharded(problems[ranks.Rank], ranks, [3, 1, 3])));
        Assert.All(errors, error => Assert.Equal(
            "A Jacobian needs all samples in one place: its rows are the outputs of single samples. This objective's data is spread over 2 ranks. Make an objective of all data without ranks for it.",
            Assert.IsType<CurvatureException>(error).Message));
    }

    [Fact]
    public void Ranks_tell_each_other_numbers_and_texts()
    {
        (double[] Numbers, string Text, double First)[] got = ThreadRanks.Run(3, ranks =>
            (ranks.Gather(ranks.Rank, 10 + ranks.Rank), ranks.TextFrom(1, ranks.Rank == 1 ? "é, one" : null), ranks.FromFirst(7 + ranks.Rank)));
        Assert.All(got, rank => Assert.Equal([0, 10, 1, 11, 2, 12], rank.Numbers));
        Assert.All(got, rank => Assert.Equal(("é, one", 7.0), (rank.Text, rank.First)));
    }

    private static void AssertSame(Func<IRanks, Dictionary<string, double[]>> measure, params int[] counts)
    {
        Dictionary<string, double[]> expected = measure(OneRank.Instance);
        foreach (int count in counts)
        {
            Dictionary<string, double[]>[] got = ThreadRanks.Run(count, measure);
            foreach ((string name, double[] values) in expected)
            {
                Assert.All(got, rank => Assert.Equal(got[0][name], rank[name])); // the same bits everywhere
                double difference = RankBattery.Difference(values, got[0][name]);
                Assert.True(difference <= RankBattery.Tolerance(name), $"{name} on {count} ranks: {difference:g3}");
            }
        }
    }

    private static IEnumerable<Batch> Shard(Problem problem, IRanks ranks, long[] sizes) => RankBattery.Shard(problem.Batches(sizes), ranks);

    private static Objective Sharded(Problem problem, IRanks ranks, long[] sizes) =>
        Objective.Supervised(problem.Model, problem.Loss, [.. Shard(problem, ranks, sizes)], problem.Parameters, ranks: ranks);

    private static double Difference(double[] expected, double[] got) => RankBattery.Difference(expected, got);
}
