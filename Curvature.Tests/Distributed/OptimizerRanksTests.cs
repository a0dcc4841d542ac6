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
        Assert.All(sums, own => Assert.Equal([26, parameters + count + 2, parameters], own));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_state_saved_by_some_ranks_goes_on_on_any_other_number_of_them(string name)
    {
        (double[] Parameters, byte[] State) Run(int count, Range steps, (double[], byte[])? saved = null)
        {
            (double[] Parameters, byte[] State)[] all = count == 1 ? [OptimizerBattery.Continue(OneRank.Instance, name, steps, saved)] : ThreadRanks.Run(count, ranks => OptimizerBattery.Continue(ranks, name, steps, saved));
            Assert.All(all, rank => Assert.Equal(all[0].Parameters, rank.Parameters));
            Assert.All(all, rank => Assert.Equal(all[0].State, rank.State));
            return all[0];
        }

        (double[] Parameters, byte[] State) straight = Run(1, 0..6);
        foreach ((int from, int to) in ((int, int)[])[(3, 1), (1, 3), (2, 3)])
        {
            (double[] Parameters, byte[] State) resumed = Run(to, 3..6, Run(from, 0..3));
            Assert.True(RankBattery.Difference(straight.Parameters, resumed.Parameters) <= 1e-12, $"from {from} to {to} ranks");
            Assert.Equal(straight.State.Length, resumed.State.Length);
        }
    }

    [Fact]
    public void Ranks_that_are_told_after_a_state_was_loaded_take_their_columns_of_the_window()
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, "mfac", 0..3);
        long[][] held = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("conv", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make("mfac", problem.Model);
            using MemoryStream file = new(saved.State);
            optimizer.load_state_dict(new BinaryReader(file));
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            ((ICurvatureOptimizer)optimizer).Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            return ((NamedState)optimizer.state_dict().State[0]).Find("mfac.window")!.shape;
        });
        long parameters = Problems.Create("conv").Parameters.Count;
        Assert.All(held, (shape, rank) => Assert.Equal([64, ((rank + 1) * parameters / 3) - (rank * parameters / 3)], shape));
    }

    [Fact]
    public void Each_layer_is_inverted_on_one_rank_the_costliest_first()
    {
        List<long>[] sums = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("tanh-mlp mse", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make("kfac", problem.Model);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            ((ICurvatureOptimizer)optimizer).Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            return ranks.Sums;
        });

        // fc2: 5^3 + 2^3 multiplications, 5^2 + 2^2 entries, from rank 0; fc1: 4^3 + 4^3 and 4^2 + 4^2, from rank 1
        Assert.All(sums, own => Assert.Equal([29, 32], own.Where(size => size is 29 or 32).TakeLast(2)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_rank_whose_loss_is_not_finite_makes_all_skip_the_step(string name)
    {
        (double[] Before, double[] After, long Skipped)[] all = ThreadRanks.Run(2, ranks =>
        {
            Problem problem = OptimizerBattery.Create("tanh-mlp mse", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make(name, problem.Model);
            ICurvatureOptimizer own = (ICurvatureOptimizer)optimizer;
            own.Ranks = ranks;
            double[] Step(double factor)
            {
                own.Step(() => problem.Model.call(problem.Inputs), problem.Targets.mul(factor), (ICurvatureLoss)problem.Loss);
                return OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(problem.Model));
            }

            return (Step(1), Step(ranks.Rank == 1 ? double.NaN : 1), own.SkippedSteps);
        });
        Assert.All(all, rank => Assert.Equal(rank.Before, rank.After));
        Assert.All(all, rank => Assert.Equal(1, rank.Skipped));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void An_error_on_one_rank_is_one_on_all_and_changes_nothing(string name)
    {
        (double[] Before, double[] After, string Message)[] all = ThreadRanks.Run(3, ranks => // parameters and state
        {
            Problem problem = OptimizerBattery.Create("conv", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make(name, problem.Model);
            ICurvatureOptimizer own = (ICurvatureOptimizer)optimizer;
            own.Ranks = ranks;
            own.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            double[] All() => [.. OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(problem.Model)), .. OptimizerBattery.Remembered(optimizer).SelectMany(part => part.Values)];
            double[] before = All();
            string message = Assert.Throws<CurvatureException>(() => own.Step(
                () => ranks.Rank == 1 ? throw new CurvatureException("The file x.npz is damaged.") : problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss)).Message;
            double[] after = All();
            own.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss); // and they go on together
            return (before, after, message);
        });
        Assert.Equal("The file x.npz is damaged.", all[1].Message);
        Assert.All(all, rank => Assert.Equal(rank.Before, rank.After));
        Assert.All(all.Where((_, rank) => rank != 1), rank => Assert.Equal("On rank 1 of 3: The file x.npz is damaged.", rank.Message));
    }

    [Fact]
    public void Ranks_that_have_come_apart_are_refused_on_all()
    {
        string[] Refused(Action<IRanks, MfacOptimizer, Parameter> spoil, Func<IRanks, MfacOptimizer, Parameter, Tensor>? step = null) => ThreadRanks.Run(2, ranks =>
        {
            using MfacOptimizer optimizer = One(ranks, out Parameter w);
            spoil(ranks, optimizer, w);
            return Assert.Throws<CurvatureException>(() => step is null ? optimizer.Step(() => w.sum()) : step(ranks, optimizer, w)).Message;
        });
        void On(IRanks ranks, Action act) => (ranks.Rank == 1 ? act : () => { })();
        void Says(string what, string[] messages) => Assert.All(messages, message => Assert.Contains(what, message, StringComparison.Ordinal));

        Says("another on rank 1 than on rank 0", Refused((ranks, _, w) => On(ranks, () =>
        {
            using IDisposable noGrad = no_grad();
            w.add_(1e-3);
        })));
        Says("Ranks take the same steps: rank 1 has taken 0 and skipped 0 at learning rates of 0.5", Refused((ranks, optimizer, _) => On(ranks, () => optimizer.ParamGroups.First().LearningRate = 0.5)));
        Says("Rank 1 has 2 parameters of 5 entries, and rank 0 1 of 3", Refused((ranks, optimizer, _) => On(ranks, () => optimizer.add_param_group(new ParamGroup { Parameters = [new Parameter(zeros(2, ScalarType.Float64, device: Here))], Options = new OptimizerOptions { LearningRate = 0 } }))));
        Says("no parts of a batch to step on, on none of the 2 ranks", Refused((_, _, _) => { }, (_, optimizer, _) => optimizer.Step(losses: [])));
        Says("Rank 1 has LossReduction.Sum, and rank 0 Mean", Refused((ranks, optimizer, _) => On(ranks, () => optimizer.LossReduction = Reduction.Sum)));
        Says("Some ranks give ShardTerms and others do not", Refused((ranks, optimizer, _) => On(ranks, () => optimizer.ShardTerms = 3)));
        Says("before the first", Refused((_, optimizer, w) => optimizer.Step(() => w.sum()), (ranks, optimizer, _) =>
        {
            optimizer.Ranks = ranks;
            return null!;
        }));
        Assert.Throws<CurvatureException>(() => One(OneRank.Instance, out _).ShardTerms = 0);
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

    /// <summary>One parameter of three entries at 5, of M-FAC.</summary>
    private static MfacOptimizer One(IRanks ranks, out Parameter w, double rate = 0.1)
    {
        w = new Parameter(full(3, 5.0, ScalarType.Float64, device: Here));
        return new MfacOptimizer([w], 2, new MfacOptimizerOptions { LearningRate = rate }) { Ranks = ranks };
    }

    private static void AssertAlike(Dictionary<string, double[]> alone, Dictionary<string, double[]>[] ranks, string what)
    {
        foreach ((string key, double[] expected) in alone)
        {
            Assert.All(ranks, rank => Assert.Equal(ranks[0][key], rank[key]));
            double difference = RankBattery.Difference(expected, ranks[0][key]);
            Assert.True(difference <= OptimizerBattery.Tolerance(key), $"{what}: {key} differs by {difference:g3}");
        }

        Assert.Equal(alone.Keys, ranks[0].Keys);
    }
}
