using Curvature.Data;
using Curvature.Distributed;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>Training over ranks, which are threads here, beside one process with the whole batch.</summary>
public sealed class OptimizerRanksTests
{
    public static TheoryData<string> Names => [.. OptimizerBattery.Names];

    /// <summary>Optimizers that need no outputs, and what they call themselves with a loss that is a function alone.</summary>
    public static TheoryData<string> Functions => ["adahessian", "sophia-h", "mfac", "mkor", "mkor-h", "kfac, observed", "kfac, identity"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Ranks_train_as_one_process_with_the_whole_batch_and_remember_the_same_bits(string name)
    {
        foreach (string problem in OptimizerBattery.ProblemNames)
        {
            Dictionary<string, double[]> alone = OptimizerBattery.Train(OneRank.Instance, name, problem);
            foreach (int count in (int[])[2, 3])
            {
                AssertAlike(alone, ThreadRanks.Run(count, ranks => OptimizerBattery.Train(ranks, name, problem)), $"{problem} on {count} ranks");
            }
        }
    }

    /// <summary>A step's products end by the change of the solution, which rounding may let come one product earlier or later.</summary>
    [Theory]
    [InlineData("conv")]
    [InlineData("attention, tied head, masked targets")]
    public void Hessian_free_steps_that_end_where_they_do_by_default_are_near_those_of_one_process_and_the_same_bits_on_all_ranks(string problem) =>
        AssertAlike(OptimizerBattery.Train(OneRank.Instance, "hessian-free", problem), ThreadRanks.Run(3, ranks => OptimizerBattery.Train(ranks, "hessian-free", problem)), problem, 1e-6);

    [Theory]
    [MemberData(nameof(Functions))]
    public void Losses_that_are_functions_alone_count_by_the_terms_that_are_told(string name)
    {
        static double Step(ICurvatureOptimizer optimizer, (nn.Module<Tensor, Tensor> Model, ISupervisedLoss Loss, long Rows) own, Batch part)
        {
            optimizer.ShardTerms = own.Rows > 0 ? own.Loss.Terms(part.Targets) : null;
            return (own.Rows > 0 ? optimizer.Step(() => own.Loss.Value(own.Model.call(part.Inputs), part.Targets)) : optimizer.Step(losses: [])).ToDouble();
        }

        Dictionary<string, double[]> alone = OptimizerBattery.Train(OneRank.Instance, name, "conv", Step);
        AssertAlike(alone, ThreadRanks.Run(3, ranks => OptimizerBattery.Train(ranks, name, "conv", Step)), "by functions");
    }

    [Theory]
    [InlineData("adahessian")]
    [InlineData("sophia-h")]
    [InlineData("mfac")]
    [InlineData("mkor")]
    public void Sums_that_are_functions_alone_add_up(string name)
    {
        static double Step(ICurvatureOptimizer optimizer, (nn.Module<Tensor, Tensor> Model, ISupervisedLoss Loss, long Rows) own, Batch part)
        {
            optimizer.LossReduction = Reduction.Sum;
            return (own.Rows > 0 ? optimizer.Step(() => own.Loss.Value(own.Model.call(part.Inputs), part.Targets)) : optimizer.Step(losses: [])).ToDouble();
        }

        Dictionary<string, double[]> alone = OptimizerBattery.Train(OneRank.Instance, name, "tanh-mlp mse sum", Step);
        AssertAlike(alone, ThreadRanks.Run(3, ranks => OptimizerBattery.Train(ranks, name, "tanh-mlp mse sum", Step)), "sums");
    }

    [Theory]
    [InlineData("mfac")]
    [InlineData("mkor")]
    [InlineData("kfac, observed")]
    public void A_backward_pass_on_each_rank_makes_the_step_of_the_whole_batch(string name)
    {
        static double Step(ICurvatureOptimizer optimizer, (nn.Module<Tensor, Tensor> Model, ISupervisedLoss Loss, long Rows) own, Batch part)
        {
            own.Model.train();
            ((OptimizerHelper)optimizer).zero_grad();
            optimizer.ShardTerms = own.Rows > 0 ? own.Rows : null;
            if (own.Rows > 0)
            {
                own.Loss.Value(own.Model.call(part.Inputs), part.Targets).backward();
            }
            else
            {
                Array.ForEach([.. own.Model.parameters()], p => p.grad = null);
            }

            ((OptimizerHelper)optimizer).step();
            return 0;
        }

        Dictionary<string, double[]> alone = OptimizerBattery.Train(OneRank.Instance, name, "conv", Step);
        AssertAlike(alone, ThreadRanks.Run(3, ranks => OptimizerBattery.Train(ranks, name, "conv", Step)), "after backward");
    }

    [Fact]
    public void Without_terms_told_the_ranks_that_have_a_part_count_alike()
    {
        double[] theta = ThreadRanks.Run(3, ranks =>
        {
            using MfacOptimizer optimizer = One(ranks, out Parameter w, rate: 1);
            optimizer.Step(ranks.Rank == 1 ? [] : [() => w.mul(ranks.Rank == 0 ? 1 : 3).sum()]);
            return w[0].item<double>();
        });
        Assert.Equal([theta[0], theta[0], theta[0]], theta);
        Assert.Equal(5 - (2 / (1e-2 + 12)), theta[0], 1e-12); // g = (1 + 3) / 2, three times
    }

    [Theory]
    [InlineData("conv")]
    [InlineData("tanh-mlp mse sum")]
    [InlineData("attention, tied head, masked targets")]
    public void A_batch_of_fewer_rows_than_ranks_leaves_some_without(string name)
    {
        double[] Train(IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create(name, ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make("kfac", problem.Model);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            foreach (Batch batch in problem.Batches(5, 2))
            {
                Batch own = Shard.Of(batch, ranks);
                ((ICurvatureOptimizer)optimizer).Step(() => problem.Model.call(own.Inputs), own.Targets, (ICurvatureLoss)problem.Loss);
            }

            return OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(problem.Model));
        }

        double[] alone = Train(OneRank.Instance);
        double[][] all = ThreadRanks.Run(3, Train);
        Assert.All(all, rank => Assert.Equal(all[0], rank));
        Assert.True(RankBattery.Difference(alone, all[0]) < 1e-12);
    }

    [Fact]
    public void One_sum_of_P_numbers_carries_the_gradient_and_another_each_product()
    {
        using DisposeScope scope = NewDisposeScope();
        List<long>[] sums = ThreadRanks.Run(2, ranks =>
        {
            Problem problem = OptimizerBattery.Create("conv", ranks);
            using AdaHessian optimizer = new(problem.Model.parameters()) { Ranks = ranks };
            Tensor Step() => optimizer.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            Step();
            ranks.Sums.Clear();
            Step();
            return ranks.Sums;
        });
        long parameters = Problems.Create("conv").Parameters.Count, count = Problems.Create("conv").Model.parameters().Count();
        Assert.All(sums, own => Assert.Equal([30, parameters + count + 2, parameters], own));
    }

    [Fact]
    public void Rates_from_the_spectrum_are_those_of_one_process()
    {
        double[] Rates(IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("conv", ranks);
            Batch[] shard = [.. RankBattery.Shard(problem.Batches(3, 4), ranks)];
            using optim.Optimizer optimizer = optim.SGD(problem.Model.parameters(), 0.1, momentum: 0.5);
            LanczosRateScheduler scheduler = new(optimizer, () => new HessianOperator(Objective.Supervised(problem.Model, problem.Loss, shard, ranks: ranks)), steps: 8);
            return [scheduler.Last.Smallest, scheduler.Last.Largest, optimizer.ParamGroups.First().LearningRate];
        }

        double[] alone = Rates(OneRank.Instance);
        double[][] all = ThreadRanks.Run(3, Rates);
        Assert.All(all, rank => Assert.Equal(all[0], rank));
        Assert.True(RankBattery.Difference(alone, all[0]) < 1e-12);
    }

    [Theory]
    [InlineData("kfac")]
    [InlineData("kfac, blocks")]
    [InlineData("mfac")]
    [InlineData("mkor")]
    [InlineData("adahessian")]
    [InlineData("sophia-g")]
    public void Ranks_train_in_float32_to_the_same_bits_near_those_of_one_process(string name)
    {
        double[] Train(IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("tanh-mlp mse", ranks);
            problem.Model.to(ScalarType.Float32);
            using OptimizerHelper optimizer = OptimizerBattery.Make(name, problem.Model);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            for (int t = 0; t < 4; t++)
            {
                (long first, long rows) = OptimizerBattery.Share(problem.Inputs.shape[0], t, ranks);
                Tensor x = problem.Inputs.narrow(0, first, rows).to(ScalarType.Float32), y = problem.Targets.narrow(0, first, rows).to(ScalarType.Float32);
                ((ICurvatureOptimizer)optimizer).Step(rows > 0 ? [(() => problem.Model.call(x), y)] : [], (ICurvatureLoss)problem.Loss);
            }

            return OptimizerBattery.Numbers(cat([.. problem.Model.parameters().Select(p => p.detach().reshape(-1))]));
        }

        double[] alone = Train(OneRank.Instance);
        double[][] all = ThreadRanks.Run(3, Train);
        Assert.All(all, rank => Assert.Equal(all[0], rank));
        double difference = RankBattery.Difference(alone, all[0]);
        Assert.True(difference < 1e-5, $"{difference:g3}");
    }

    /// <summary>One parameter of three entries at 5, of M-FAC.</summary>
    private static MfacOptimizer One(IRanks ranks, out Parameter w, double rate = 0.1)
    {
        w = new Parameter(full(3, 5.0, ScalarType.Float64, device: Here));
        return new MfacOptimizer([w], 2, new MfacOptimizerOptions { LearningRate = rate }) { Ranks = ranks };
    }

    private static void AssertAlike(Dictionary<string, double[]> alone, Dictionary<string, double[]>[] ranks, string what, double? tolerance = null)
    {
        foreach ((string key, double[] expected) in alone)
        {
            Assert.All(ranks, rank => Assert.Equal(ranks[0][key], rank[key]));
            double difference = RankBattery.Difference(expected, ranks[0][key]);
            Assert.True(difference <= (tolerance ?? OptimizerBattery.Tolerance(key)), $"{what}: {key} differs by {difference:g3}");
        }

        Assert.Equal(alone.Keys, ranks[0].Keys);
    }
}
