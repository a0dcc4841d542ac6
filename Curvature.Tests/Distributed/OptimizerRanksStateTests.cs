using System.Text;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>States of optimizers over ranks: each is that of one process, whichever ranks hold its parts, wherever it comes from and whatever happens while it is written.</summary>
public sealed class OptimizerRanksStateTests
{
    public static TheoryData<string> Names => [.. OptimizerBattery.Names];

    /// <summary>Those whose state ranks divide.</summary>
    public static TheoryData<string> Divided => ["mfac", "kfac", "ekfac"];

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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_disk_that_is_full_or_a_file_that_is_cut_ends_on_all_where_each_rank_has_layers_of_its_own(bool cut)
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, "ekfac", 0..3);
        int first = Encoding.Latin1.GetString(saved.State).IndexOf("factor ", StringComparison.Ordinal);
        (_, Exception?[] errors) = ThreadRanks.Try(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper optimizer = OptimizerBattery.Make("ekfac", OptimizerBattery.Create("conv", ranks).Model);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            Load(optimizer, saved.State);
            for (int room = first; room < saved.State.Length; room += saved.State.Length / 20)
            {
                if (cut)
                {
                    Assert.Throws<EndOfStreamException>(() => Load(optimizer, saved.State[..room]));
                    continue;
                }

                using BinaryWriter writer = new(new FullDisk(ranks.Rank == 0 ? room : int.MaxValue));
                Exception? error = Record.Exception(() => optimizer.save_state_dict(writer));
                Assert.Equal(ranks.Rank == 0 ? "There is no room left." : "On rank 0 of 2: IOException: There is no room left.", error?.Message);
            }

            Load(optimizer, saved.State);
            Assert.Equal(saved.State, Save(optimizer));
            return 0;
        });
        Assert.All(errors, Assert.Null);
    }

    [Theory]
    [InlineData((byte)ScalarType.Int64, (byte)2, "2 sizes of Int64")]
    [InlineData((byte)ScalarType.Float64, (byte)90, "90 sizes of Float64")]
    public void A_tensor_of_one_rank_that_no_layer_has_is_refused_as_damaged(byte dtype, byte sizes, string what)
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, "kfac", 0..1);
        string text = Encoding.Latin1.GetString(saved.State);
        int header = text.IndexOf("/A", text.IndexOf("factor ", StringComparison.Ordinal), StringComparison.Ordinal) + 3; // behind the name and the flag
        (saved.State[header], saved.State[header + 1]) = (dtype, sizes);
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper optimizer = OptimizerBattery.Make("kfac", OptimizerBattery.Create("conv", ranks).Model);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            return Assert.Throws<CurvatureException>(() => Load(optimizer, saved.State)).Message;
        });
        Assert.All(messages, message => Assert.Contains(what, message, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Divided))]
    public void A_state_that_was_loaded_before_the_ranks_were_told_is_saved_as_it_was(string name)
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, name, 0..3);
        byte[][] again = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper optimizer = OptimizerBattery.Make(name, OptimizerBattery.Create("conv", ranks).Model);
            Load(optimizer, saved.State);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            return Save(optimizer);
        });
        Assert.All(again, state => Assert.Equal(saved.State, state));
    }

    [Theory]
    [MemberData(nameof(Divided))]
    public void A_state_that_is_taken_from_an_optimizer_of_one_process_is_divided(string name)
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, name, 0..3);
        byte[][] again = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper alone = OptimizerBattery.Make(name, OptimizerBattery.Create("conv", ranks).Model), optimizer = OptimizerBattery.Make(name, OptimizerBattery.Create("conv", ranks).Model);
            Load(alone, saved.State);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            optimizer.load_state_dict(alone.state_dict());
            return Save(optimizer);
        });
        Assert.All(again, state => Assert.Equal(saved.State, state));
    }

    [Theory]
    [MemberData(nameof(Divided))]
    public void A_run_goes_on_where_ranks_are_told_after_its_state_was_loaded(string name)
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, name, 0..3), straight = OptimizerBattery.Continue(OneRank.Instance, name, 0..6);
        Assert.All(
            ThreadRanks.Run(2, ranks => OptimizerBattery.Continue(ranks, name, 3..6, saved, ranksLast: true).Parameters),
            rank => Assert.True(RankBattery.Difference(straight.Parameters, rank) < 1e-12));
    }

    [Fact]
    public void A_state_that_was_divided_among_ranks_is_refused_for_others_by_each_of_them()
    {
        (double[] Parameters, byte[] State) saved = OptimizerBattery.Continue(OneRank.Instance, "kfac", 0..1);
        string[] messages = ThreadRanks.Run(6, ranks => // more than there are layers
        {
            using DisposeScope scope = NewDisposeScope();
            using OptimizerHelper optimizer = OptimizerBattery.Make("kfac", OptimizerBattery.Create("conv", ranks).Model);
            ((ICurvatureOptimizer)optimizer).Ranks = ranks;
            Load(optimizer, saved.State);
            string message = Assert.Throws<CurvatureException>(() => ((ICurvatureOptimizer)optimizer).Ranks = OneRank.Instance).Message;
            Assert.Same(ranks, ((ICurvatureOptimizer)optimizer).Ranks);
            Assert.Equal(saved.State, Save(optimizer));
            return message;
        });
        Assert.All(messages, message => Assert.Contains("divided among other ranks", message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_factor_that_is_larger_than_a_piece_is_written_by_rows()
    {
        const long Side = 2100; // its square is more than 2^22
        KfacOptimizer Make(IRanks ranks, out Linear model)
        {
            model = nn.Linear(Side, 1, hasBias: false, device: Here);
            return new KfacOptimizer(model, settings: new KfacSettings { LargestBlock = 10 }) { Ranks = ranks };
        }

        using DisposeScope scope = NewDisposeScope();
        using KfacOptimizer alone = Make(OneRank.Instance, out Linear own);
        alone.Step(() => own.call(ones(2, Side, device: Here)), ones(2, 1, device: Here), new MeanSquaredError());
        Tensor factor = ((NamedState)alone.state_dict().State[0]).Find("factor weight/A") ?? ((NamedState)alone.state_dict().State[0]).Find("factor /A")!;
        factor.copy_(arange(Side * Side, ScalarType.Float32, device: Here).view(1, Side, Side));
        byte[] whole = Save(alone);
        Assert.All(
            ThreadRanks.Run(2, ranks =>
            {
                using KfacOptimizer optimizer = Make(ranks, out _);
                Load(optimizer, whole);
                return Save(optimizer);
            }),
            rank => Assert.True(whole.AsSpan().SequenceEqual(rank)));
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
