using System.Text;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What goes wrong on one rank of a training, or comes apart there, ends on all of them: a rank that is left waiting is told so after two seconds, which fails a test.</summary>
public sealed class OptimizerRanksStateTests
{
    [Fact]
    public void A_state_that_is_damaged_in_the_columns_of_one_rank_is_refused_on_all()
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] damaged = Saved(optimizer => Window(optimizer).select(1, 2).fill_(double.NaN)); // rank 1 has the last two of three columns
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using MfacOptimizer optimizer = Mfac(ranks, out Parameter w);
            Load(optimizer, damaged);
            return Assert.Throws<NonFiniteException>(() => optimizer.Step(() => w.sum())).Message;
        });
        Assert.All(messages, message => Assert.Contains("'window' in the state of the window holds NaN", message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_disk_that_is_full_on_one_rank_ends_the_writing_of_a_state_on_all_wherever_it_stops()
    {
        using DisposeScope scope = NewDisposeScope();
        byte[] whole = Saved(_ => { });
        int first = Encoding.Latin1.GetString(whole).IndexOf("mfac.", StringComparison.Ordinal); // what all write together begins before it
        for (int room = first; room < whole.Length; room += 11)
        {
            (_, Exception?[] errors) = ThreadRanks.Try(2, ranks =>
            {
                using MfacOptimizer optimizer = Mfac(ranks, out Parameter w);
                optimizer.Step(() => w.sum());
                using BinaryWriter writer = new(new FullDisk(ranks.Rank == 0 ? room : int.MaxValue));
                optimizer.save_state_dict(writer);
                return 0;
            });
            Assert.Equal("There is no room left.", Assert.IsType<IOException>(errors[0]).Message);
            Assert.Equal("On rank 0 of 2: IOException: There is no room left.", Assert.IsType<CurvatureException>(errors[1]).Message);
        }
    }

    [Fact]
    public void A_state_that_was_loaded_before_the_ranks_were_told_is_saved_as_it_was()
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, "mfac", 0..3);
        byte[][] again = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper optimizer = OptimizerBattery.Make("mfac", OptimizerBattery.Create("conv", ranks).Model);
            Load(optimizer, saved.State);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            return Save(optimizer);
        });
        Assert.All(again, state => Assert.Equal(saved.State, state));
    }

    [Fact]
    public void A_state_that_is_taken_from_an_optimizer_of_one_process_is_divided()
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, "mfac", 0..3);
        byte[][] again = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper alone = OptimizerBattery.Make("mfac", OptimizerBattery.Create("conv", ranks).Model), optimizer = OptimizerBattery.Make("mfac", OptimizerBattery.Create("conv", ranks).Model);
            Load(alone, saved.State);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            optimizer.load_state_dict(alone.state_dict());
            return Save(optimizer);
        });
        Assert.All(again, state => Assert.Equal(saved.State, state));
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

    [Fact]
    public void A_layer_that_its_rank_cannot_invert_ends_the_step_on_all_and_changes_nothing()
    {
        (string Message, double[] Before, double[] After)[] all = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("tanh-mlp mse", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make("kfac", problem.Model);
            ICurvatureOptimizer own = (ICurvatureOptimizer)optimizer;
            own.Ranks = ranks;
            void Step() => own.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            Step();
            foreach (NamedState state in ranks.Rank == 1 ? optimizer.state_dict().State.Cast<NamedState>() : [])
            {
                foreach (Tensor factor in state.Names.Where(name => name.StartsWith("factor ", StringComparison.Ordinal)).Select(name => state.Find(name)!).Where(value => value.dim() > 1))
                {
                    factor.mul_(-1e3); // fc1 is inverted on rank 1
                }
            }

            double[] before = OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(problem.Model));
            string message = Assert.ThrowsAny<CurvatureException>(Step).Message;
            return (message, before, OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(problem.Model)));
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

    /// <summary>One parameter of three entries at 5, of M-FAC with two gradients.</summary>
    private static MfacOptimizer Mfac(IRanks ranks, out Parameter w)
    {
        w = new Parameter(full(3, 5.0, ScalarType.Float64));
        return new MfacOptimizer([w], 2, new MfacOptimizerOptions { LearningRate = 1e-3 }) { Ranks = ranks };
    }

    /// <summary>The state of one process after a step, with something done to it before it is saved.</summary>
    private static byte[] Saved(Action<OptimizerHelper> spoil)
    {
        using MfacOptimizer optimizer = Mfac(OneRank.Instance, out Parameter w);
        optimizer.Step(() => w.sum());
        spoil(optimizer);
        return Save(optimizer);
    }

    private static Tensor Window(OptimizerHelper optimizer) => ((NamedState)optimizer.state_dict().State[0]).Find("mfac.window")!;

    private static byte[] Save(OptimizerHelper optimizer)
    {
        using MemoryStream stream = new();
        optimizer.save_state_dict(new BinaryWriter(stream));
        return stream.ToArray();
    }

    private static void Load(OptimizerHelper optimizer, byte[] state)
    {
        using MemoryStream file = new(state);
        optimizer.load_state_dict(new BinaryReader(file));
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

    /// <summary>Takes some bytes, and no more.</summary>
    private sealed class FullDisk(int room) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Require(buffer.Length);
            base.Write(buffer.ToArray(), 0, buffer.Length);
        }

        public override void WriteByte(byte value)
        {
            Require(1);
            base.WriteByte(value);
        }

        private void Require(int bytes)
        {
            if (Length + bytes > room)
            {
                throw new IOException("There is no room left.");
            }
        }
    }
}
