using System.Text;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What goes wrong with the layers of one rank, which no other sees, ends on all of them: a rank that is left waiting is told so after two seconds, which fails a test.</summary>
public sealed class KfacRanksErrorsTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_loaded_factor_that_is_damaged_or_missing_on_its_rank_ends_the_step_on_all(bool missing, bool backward)
    {
        KfacSettings settings = KfacSettings.PytorchInverse;
        byte[] saved = Saved(settings, state => _ = missing ? null : state.Find("factor fc2/G")?.fill_(double.NaN));
        int name = Encoding.Latin1.GetString(saved).IndexOf("factor fc2/G", StringComparison.Ordinal) + "factor fc2/".Length;
        saved[name] = missing ? (byte)'X' : saved[name];
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            (Sequential model, KfacOptimizer optimizer) = Make(settings, ranks);
            using MemoryStream file = new(saved);
            optimizer.load_state_dict(new BinaryReader(file));
            double[] before = OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(model));
            string first = Refused(() => Step(model, optimizer, backward)), again = Refused(() => Step(model, optimizer, backward));
            Assert.Equal(first, again);
            Assert.Equal(before, OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(model)));
            return first;
        });
        Assert.All(messages, message => Assert.Contains("fc2", message, StringComparison.Ordinal));
        Assert.StartsWith("On rank 1 of 2: ", messages[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_loaded_inverse_of_another_shape_is_refused_on_all(bool ekfac)
    {
        KfacSettings settings = (ekfac ? KfacSettings.Ekfac : new KfacSettings()) with { FactorInterval = 10, InverseInterval = 100 };
        byte[] saved = Saved(settings, state => _ = state.Find("factor fc2/G") is null ? 0 : Replace(state, "inverse left", ones(1, 2, 2, dtype: ScalarType.Float64, device: Here)), steps: 3); // the fourth renews nothing
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            (Sequential model, KfacOptimizer optimizer) = Make(settings, ranks);
            using MemoryStream file = new(saved);
            optimizer.load_state_dict(new BinaryReader(file));
            string first = Refused(() => Step(model, optimizer, backward: false));
            Assert.Equal(first, Refused(() => Step(model, optimizer, backward: false)));
            return first;
        });
        Assert.All(messages, message => Assert.Contains("The inverse 'left' of the layer 'fc2' is [1, 2, 2]", message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(2, 0)]
    [InlineData(3, 0.1)] // the third has no layer of its own
    public void Directions_that_one_rank_cannot_make_are_an_error_on_all(int count, double l2)
    {
        (_, Exception?[] errors) = ThreadRanks.Try(count, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Watched watched = new(ranks);
            (Sequential model, KfacOptimizer optimizer) = Make(new KfacSettings { L2 = l2 }, watched);
            for (int t = 0; t < 3; t++)
            {
                Step(model, optimizer, backward: false);
            }

            watched.AfterOne = () => _ = ranks.Rank == count - 1 ? Lost(model) : 0; // after the look at the factors comes the making of directions: the fourth step makes no inverse
            Step(model, optimizer, backward: false);
            return 0;
        });
        Assert.All(errors[..^1], error => Assert.StartsWith($"On rank {count - 1} of {count}: ", Assert.IsType<CurvatureException>(error).Message, StringComparison.Ordinal));
        Assert.IsNotType<OperationCanceledException>(errors[^1]);
        Assert.NotNull(errors[^1]);
    }

    [Fact]
    public void A_damaged_state_that_a_call_of_the_model_met_is_forgotten_once_a_good_one_is_loaded()
    {
        KfacSettings settings = KfacSettings.PytorchInverse;
        byte[] good = Saved(settings, _ => { }), damaged = Saved(settings, state => state.Find("factor fc2/G")?.fill_(double.NaN));
        ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            (Sequential model, KfacOptimizer optimizer) = Make(settings, ranks);
            void Load(byte[] state)
            {
                using MemoryStream file = new(state);
                optimizer.load_state_dict(new BinaryReader(file));
            }

            Load(damaged);
            model.call(Data(8));
            Load(good);
            Step(model, optimizer, backward: true);
            Assert.Equal(3, optimizer.Steps);
            return 0;
        });
    }

    [Fact]
    public void A_state_that_moves_on_one_rank_alone_is_refused_and_one_that_moves_on_all_goes_on()
    {
        string[] messages = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            (Sequential model, KfacOptimizer optimizer) = Make(new KfacSettings(), ranks);
            for (int t = 0; t < 3; t++)
            {
                Step(model, optimizer, backward: false);
            }

            if (ranks.Rank == 1)
            {
                optimizer.to(Here);
            }

            string refused = Refused(() => Step(model, optimizer, backward: false));
            optimizer.to(Here);
            Step(model, optimizer, backward: false);
            Assert.Equal(4, optimizer.Steps);
            return refused;
        });
        Assert.All(messages, message => Assert.StartsWith("On rank 1 a state was loaded, or moved to a device, since the last step, and on rank 0 none was", message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("kfac")]
    [InlineData("mfac")]
    public void A_rank_that_saves_alone_is_refused_and_so_are_the_others_at_their_next_step(string name)
    {
        string[] messages = ThreadRanks.Run(3, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Problem problem = OptimizerBattery.Create("conv", ranks);
            using OptimizerHelper optimizer = OptimizerBattery.Make(name, problem.Model);
            ICurvatureOptimizer own = (ICurvatureOptimizer)optimizer;
            own.Ranks = ranks;
            void Step() => own.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            Step();
            string refused = Refused(ranks.Rank == 0 ? () => optimizer.save_state_dict(new BinaryWriter(new MemoryStream())) : Step);
            Step();
            Assert.Equal(2, own.Steps);
            return refused;
        });
        Assert.All(messages, message => Assert.StartsWith("Rank 0 saves a state, of which each rank has a part, while rank 1 takes a step: call save_state_dict on every rank", message, StringComparison.Ordinal));
    }

    private static string Refused(Action act) => Assert.ThrowsAny<CurvatureException>(act).Message;

    private static int Replace(NamedState state, string name, Tensor value)
    {
        state.Set(name, value);
        return 0;
    }

    /// <summary>A parameter of the second layer goes.</summary>
    private static int Lost(Sequential model)
    {
        model.parameters().ElementAt(2).Dispose();
        return 0;
    }

    /// <summary>Two layers, the first of which is the first rank's, the second the second's.</summary>
    private static (Sequential Model, KfacOptimizer Optimizer) Make(KfacSettings settings, IRanks ranks)
    {
        Linear[] layers = [nn.Linear(6, 6, dtype: ScalarType.Float64, device: Here), nn.Linear(6, 6, dtype: ScalarType.Float64, device: Here)];
        using IDisposable noGrad = no_grad();
        foreach (Linear layer in layers)
        {
            layer.weight!.copy_(Data(6)).mul_(0.5);
            layer.bias!.fill_(0.1);
        }

        Sequential model = nn.Sequential(("fc1", layers[0]), ("act", nn.Tanh()), ("fc2", layers[1]));
        return (model, new KfacOptimizer(model, new KfacOptimizerOptions { LearningRate = 0.01 }, settings) { Ranks = ranks });
    }

    private static Tensor Data(int rows) => arange(rows * 6, dtype: ScalarType.Float64, device: Here).mul(0.7).sin().reshape(rows, 6);

    private static void Step(Sequential model, KfacOptimizer optimizer, bool backward)
    {
        using DisposeScope scope = NewDisposeScope();
        if (!backward)
        {
            optimizer.Step(() => model.call(Data(8)), Data(8).neg(), new MeanSquaredError());
            return;
        }

        optimizer.zero_grad();
        nn.functional.mse_loss(model.call(Data(8)), Data(8).neg()).backward();
        optimizer.step();
    }

    /// <summary>The state of one process after some steps, with something done to each parameter's before it is saved.</summary>
    private static byte[] Saved(KfacSettings settings, Action<NamedState> spoil, int steps = 2)
    {
        using DisposeScope scope = NewDisposeScope();
        (Sequential model, KfacOptimizer optimizer) = Make(settings, OneRank.Instance);
        for (int t = 0; t < steps; t++)
        {
            Step(model, optimizer, backward: false);
        }

        foreach (NamedState state in optimizer.state_dict().State.Cast<NamedState>())
        {
            spoil(state);
        }

        using MemoryStream file = new();
        optimizer.save_state_dict(new BinaryWriter(file));
        return file.ToArray();
    }
    /// <summary>Ranks that do something after a sum of one number.</summary>
    private sealed class Watched(ThreadRanks ranks) : IRanks
    {
        public Action? AfterOne { get; set; }

        public int Rank => ranks.Rank;

        public int Count => ranks.Count;

        public void Sum(Tensor values)
        {
            ranks.Sum(values);
            if (values.numel() == 1)
            {
                AfterOne?.Invoke();
            }
        }

        public void Barrier() => ranks.Barrier();
    }
}
