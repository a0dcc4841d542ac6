using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What goes wrong on one rank of a training, or comes apart there, ends on all of them: a rank that is left waiting is told so after two seconds, which fails a test.</summary>
public sealed class OptimizerRanksErrorsTests
{
    public static TheoryData<string> Names => [.. OptimizerBattery.Names];

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
            using MfacOptimizer optimizer = Mfac(ranks, out Parameter w);
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
        Assert.Throws<CurvatureException>(() => Mfac(OneRank.Instance, out _).ShardTerms = 0);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_state_that_one_rank_alone_loads_is_refused_on_all_and_one_that_all_load_goes_on(string name)
    {
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("conv", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make(name, problem.Model);
            ICurvatureOptimizer own = (ICurvatureOptimizer)optimizer;
            own.Ranks = ranks;
            using MemoryStream file = new();
            void Load()
            {
                file.Position = 0;
                optimizer.load_state_dict(new BinaryReader(file));
            }

            void Step() => own.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            Step();
            Step();
            optimizer.save_state_dict(new BinaryWriter(file));
            ((Action)(ranks.Rank == 1 ? Load : () => { }))();
            string refused = Assert.Throws<CurvatureException>(Step).Message;
            Load();
            Step();
            Step();
            Assert.Equal(4, own.Steps);
            return refused;
        });
        Assert.All(messages, message => Assert.StartsWith("On rank 1 a state was loaded, or moved to a device, since the last step, and on rank 0 none was", message, StringComparison.Ordinal));
    }

    [Fact]
    public void Parameters_that_are_added_after_a_step_are_compared_too()
    {
        string[] Refused(Action<IRanks, AdaHessian> add) => ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Parameter w = new(full(3, 5.0, ScalarType.Float64));
            using AdaHessian optimizer = new([w]) { Ranks = ranks };
            optimizer.Step(() => w.square().sum());
            add(ranks, optimizer);
            return Assert.Throws<CurvatureException>(() => optimizer.Step(() => w.square().sum())).Message;
        });
        static void Add(AdaHessian optimizer, double value) => optimizer.add_param_group(new ParamGroup { Parameters = [new Parameter(full(2, value, ScalarType.Float64))], Options = new OptimizerOptions { LearningRate = 0 } });

        Assert.All(Refused((ranks, optimizer) => Add(optimizer, ranks.Rank)), message => Assert.StartsWith("Parameter 1 of AdaHessian, [2], is another on rank 1 than on rank 0", message, StringComparison.Ordinal));
        Assert.All(
            Refused((ranks, optimizer) => ((Action)(ranks.Rank == 1 ? () => Add(optimizer, 1) : () => { }))()),
            message => Assert.StartsWith("Rank 1 has 2 parameters of 5 entries, and rank 0 1 of 3", message, StringComparison.Ordinal));
    }

    [Fact]
    public void Parameters_that_come_apart_by_a_last_bit_are_found_within_a_hundred_steps()
    {
        (string Message, long Steps)[] found = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using MfacOptimizer optimizer = Mfac(ranks, out Parameter w);
            optimizer.Step(() => w.sum());
            using (no_grad())
            {
                w.select(0, 1).mul_(ranks.Rank == 1 ? 1 + 2.3e-16 : 1);
            }

            CurvatureException? refused = null;
            while (refused is null && optimizer.Steps < 300)
            {
                refused = Record.Exception(() => optimizer.Step(() => w.square().sum().mul(1e-6))) as CurvatureException;
            }

            return (refused?.Message ?? "", optimizer.Steps);
        });
        Assert.All(found, rank => Assert.Equal(100, rank.Steps));
        Assert.All(found, rank => Assert.StartsWith("Parameter 0 of MfacOptimizer, [3], has become another on rank 1 than on rank 0 by step 100", rank.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_layer_that_its_rank_cannot_invert_ends_the_step_on_all_and_changes_nothing(bool backward)
    {
        (string Message, double[] Before, double[] After)[] all = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("tanh-mlp mse", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make("kfac, observed", problem.Model);
            ICurvatureOptimizer own = (ICurvatureOptimizer)optimizer;
            own.Ranks = ranks;
            void Step()
            {
                if (!backward)
                {
                    own.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
                    return;
                }

                optimizer.zero_grad();
                problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
                optimizer.step();
            }

            Step();
            foreach (NamedState state in ranks.Rank == 1 ? optimizer.state_dict().State.Cast<NamedState>() : [])
            {
                foreach (Tensor factor in state.Names.Where(name => name.StartsWith("factor ", StringComparison.Ordinal)).Select(name => state.Find(name)!).Where(value => value.dim() > 1))
                {
                    factor.mul_(-1e3); // fc1 is inverted on rank 1
                }
            }

            double[] All() => [.. OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(problem.Model)), .. OptimizerBattery.Remembered(optimizer).SelectMany(part => part.Values)];
            double[] before = All();
            string message = Assert.ThrowsAny<CurvatureException>(Step).Message;
            return (message, before, All());
        });
        Assert.StartsWith("On rank 1 of 2:", all[0].Message, StringComparison.Ordinal);
        Assert.All(all, rank => Assert.Equal(rank.Before, rank.After));
    }

    [Fact]
    public void A_first_part_of_one_row_that_hides_how_rows_act_on_each_other_is_refused_on_all()
    {
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using Coupled model = new();
            using KfacOptimizer optimizer = new(model) { Ranks = ranks };
            Tensor x = ones(1 + ranks.Rank, 3, dtype: ScalarType.Float64), y = ones(1 + ranks.Rank, 2, dtype: ScalarType.Float64);
            return Assert.Throws<CurvatureException>(() => optimizer.Step(() => model.call(x), y, new MeanSquaredError())).Message;
        });
        Assert.All(messages, message => Assert.Contains("has other uses in the first batch of rank 1 than in that of rank 0. Give each rank batches of at least two rows", message, StringComparison.Ordinal));
    }

    /// <summary>One parameter of three entries at 5, of M-FAC with two gradients.</summary>
    private static MfacOptimizer Mfac(IRanks ranks, out Parameter w)
    {
        w = new Parameter(full(3, 5.0, ScalarType.Float64, device: Here));
        return new MfacOptimizer([w], 2, new MfacOptimizerOptions { LearningRate = 1e-3 }) { Ranks = ranks };
    }

    /// <summary>A layer whose outputs act on each other over the rows.</summary>
    private sealed class Coupled : nn.Module<Tensor, Tensor>
    {
        private readonly Linear _fc = nn.Linear(3, 2, dtype: ScalarType.Float64);

        public Coupled() : base(nameof(Coupled))
        {
            RegisterComponents();
            using IDisposable noGrad = no_grad();
            _fc.weight!.fill_(0.5);
            _fc.bias!.fill_(0.1);
        }

        public override Tensor forward(Tensor input)
        {
            Tensor outputs = _fc.call(input);
            return outputs.add(outputs.mean([0]));
        }
    }
}
