using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>What holds for every optimizer of the catalogue.</summary>
public sealed class KnownOptimizersTests
{
    /// <summary>Whose curvature needs outputs and targets.</summary>
    private static readonly string[] NeedOutputs = ["sophia-g", "kfac", "ekfac", "hessian-free"];

    /// <summary>Which need the gradient alone, and so step along one that is there.</summary>
    private static readonly string[] TakeGradients = ["mfac", "mkor"];

    public static TheoryData<string> Names => [.. KnownOptimizers.Names];

    public static TheoryData<string, string, ScalarType> Problems
    {
        get
        {
            TheoryData<string, string, ScalarType> rows = [];
            foreach (string name in KnownOptimizers.Names)
            {
                foreach (string problem in Descent.Names)
                {
                    rows.Add(name, problem, ScalarType.Float64);
                }

                rows.Add(name, "mixed shapes", ScalarType.Float32);
            }

            return rows;
        }
    }

    [Fact]
    public void Every_optimizer_is_in_the_catalogue()
    {
        Assert.Equal(
            typeof(ICurvatureOptimizer).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(ICurvatureOptimizer)) && !t.IsAbstract).OrderBy(t => t.Name),
            KnownOptimizers.All.Select(known => known.Type).Distinct().OrderBy(t => t.Name));
        Assert.Contains("adahessian", Assert.Throws<CurvatureException>(() => KnownOptimizers.Get("adam")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Problems))]
    public void Solves(string name, string problem, ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent descent = Descent.Create(problem, type);
        using OptimizerHelper optimizer = Make(name, descent.Model, descent.Parameters);
        double first = Steps(optimizer, descent, 1), last = 0;
        for (int phase = 0; phase < 4; phase++)
        {
            last = Steps(optimizer, descent, 150);
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
            {
                group.LearningRate *= 0.5;
            }
        }

        // Scaling entry by entry does not straighten a curved valley.
        Assert.True(last < (problem == "rosenbrock" ? 0.05 : 0.01) * first, $"{first} to {last}");
        Assert.Equal(601, ((ICurvatureOptimizer)optimizer).Steps);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Forms_of_a_step_agree_and_parts_of_a_batch_are_the_whole(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Run(Action<OptimizerHelper, Descent> step)
        {
            Descent descent = Descent.Create("mixed shapes");
            using OptimizerHelper optimizer = Make(name, descent.Model, descent.Parameters, 3);
            for (int t = 0; t < 4; t++)
            {
                step(optimizer, descent);
            }

            return descent.Theta();
        }

        Tensor whole = Run((optimizer, descent) => Step(optimizer, descent));
        if (!NeedOutputs.Contains(name))
        {
            Assert.True(whole.Equals(Run((optimizer, descent) => optimizer.step(descent.Value))));
            Assert.True(whole.Equals(Run((optimizer, descent) => ((ICurvatureOptimizer)optimizer).Step(descent.Value))));
        }

        void AfterBackward(OptimizerHelper optimizer, Descent descent)
        {
            optimizer.zero_grad();
            descent.Value().backward();
            optimizer.step();
        }

        if (TakeGradients.Contains(name))
        {
            Assert.True(whole.Equals(Run(AfterBackward)));
        }
        else
        {
            Assert.Contains("step(() => loss)", Assert.Throws<CurvatureException>(() => Run(AfterBackward)).Message, StringComparison.Ordinal);
        }

        Tensor parts = Run((optimizer, descent) => ((ICurvatureOptimizer)optimizer).Step(
            [(() => descent.Forward()[..4], descent.Targets[..4]), (() => descent.Forward()[4..], descent.Targets[4..])], Descent.Loss));
        Assert.True(whole.allclose(parts, 1e-9, 1e-9));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_run_goes_on_bit_for_bit(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent straight = Descent.Create("mixed shapes"), file = Descent.Create("mixed shapes"), copied = Descent.Create("mixed shapes");
        using OptimizerHelper whole = Make(name, straight.Model, straight.Parameters, 3), first = Make(name, file.Model, file.Parameters, 3), second = Make(name, copied.Model, copied.Parameters, 3);
        Steps(whole, straight, 9);
        Steps(first, file, 4);
        Steps(second, copied, 4);

        // The interval is 3: the saved states are in its middle.
        using MemoryStream stream = new();
        first.save_state_dict(new BinaryWriter(stream));
        stream.Position = 0;
        using OptimizerHelper resumed = Make(name, file.Model, file.Parameters, 3), taken = Make(name, copied.Model, copied.Parameters, 3);
        resumed.load_state_dict(new BinaryReader(stream));
        Assert.Equal(stream.Length, stream.Position);
        taken.load_state_dict(second.state_dict());
        taken.to(Here);
        Steps(resumed, file, 5);
        Steps(taken, copied, 5);

        Assert.True(straight.Theta().Equals(file.Theta()));
        Assert.True(straight.Theta().Equals(copied.Theta()));
        Assert.Equal(9, ((ICurvatureOptimizer)resumed).Steps);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Groups_have_learning_rates_of_their_own_which_schedulers_change(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent descent = Descent.Create("mixed shapes");
        using OptimizerHelper optimizer = Make(name, descent.Model, descent.Parameters[..2]);
        optimizer.add_param_group(new ParamGroup { Parameters = descent.Parameters[2..], Options = new OptimizerOptions { LearningRate = 0 } });
        Tensor[] before = [.. descent.Parameters.Select(p => p.detach().clone())];
        optim.lr_scheduler.LRScheduler scheduler = optim.lr_scheduler.StepLR(optimizer, step_size: 1, gamma: 0);
        Steps(optimizer, descent, 3);
        Assert.All(Enumerable.Range(0, 5), i => Assert.Equal(i >= 2, before[i].Equals(descent.Parameters[i])));

        scheduler.step();
        Tensor settled = descent.Theta();
        Steps(optimizer, descent, 3);
        Assert.True(settled.Equals(descent.Theta()));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Frozen_and_unused_parameters_stay_and_gradients_are_left_as_they_were(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent descent = Descent.Create("mixed shapes");
        descent.Parameters[1].requires_grad = false;
        Parameter unused = new(ones(2, ScalarType.Float64, device: Here));
        descent.Parameters[2].grad = full(2, 2, 7.0, ScalarType.Float64, device: Here);
        using OptimizerHelper optimizer = Make(name, descent.Model, [.. descent.Parameters, unused]);
        Tensor[] before = [.. descent.Parameters.Select(p => p.detach().clone())];
        Steps(optimizer, descent, 4);

        Assert.All(Enumerable.Range(0, 5), i => Assert.Equal(i == 1, before[i].Equals(descent.Parameters[i])));
        Assert.Equal(2, unused.sum().ToDouble());
        Assert.Equal(28, descent.Parameters[2].grad!.sum().ToDouble());
        Assert.Null(descent.Parameters[0].grad);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Tied_weights_train_and_come_once(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Reference.Problems.Create("tied weights");
        Parameter[] parameters = [.. problem.Model.parameters()];
        using OptimizerHelper optimizer = Make(name, problem.Model, parameters);
        Descent descent = new(problem.Model, parameters, () => problem.Model.call(problem.Inputs), problem.Targets);
        double first = Steps(optimizer, descent, 1);
        Assert.True(Steps(optimizer, descent, 100) < 0.9 * first);
        Assert.Contains("once", Assert.Throws<CurvatureException>(() => Make(name, problem.Model, [.. parameters, .. parameters])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_step_that_is_not_finite_changes_nothing_and_is_counted(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent clean = Descent.Create("quadratic"), spoilt = Descent.Create("quadratic");
        using OptimizerHelper straight = Make(name, clean.Model, clean.Parameters), optimizer = Make(name, spoilt.Model, spoilt.Parameters);
        Steps(straight, clean, 5);
        Steps(optimizer, spoilt, 2);
        foreach (double bad in new[] { double.NaN, double.PositiveInfinity })
        {
            Descent broken = spoilt with { Targets = full(3, bad, ScalarType.Float64, device: Here) };
            Assert.False(double.IsFinite(Steps(optimizer, broken, 1)));
        }

        Steps(optimizer, spoilt, 3);
        Assert.True(clean.Theta().Equals(spoilt.Theta()));
        Assert.Equal((5, 2), (((ICurvatureOptimizer)optimizer).Steps, ((ICurvatureOptimizer)optimizer).SkippedSteps));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_cannot_be_stepped_on_is_refused_by_name(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent descent = Descent.Create("quadratic");
        using OptimizerHelper optimizer = Make(name, descent.Model, descent.Parameters);
        string Refused(Func<Tensor> loss) => Assert.Throws<CurvatureException>(() => optimizer.step(loss)).Message;
        Tensor before = descent.Theta();

        Assert.Contains("backward()", Refused(null!), StringComparison.Ordinal);
        Assert.Contains("called backward()", Refused(() =>
        {
            Tensor loss = descent.Value();
            loss.backward();
            return loss;
        }), StringComparison.Ordinal);
        Assert.Null(descent.Parameters[0].grad);
        Assert.Contains("no trainable parameter", Refused(() => descent.Value().detach()), StringComparison.Ordinal);
        Assert.True(before.Equals(descent.Theta()));
        Assert.Contains("no parameters", Assert.Throws<CurvatureException>(() => Make(name, descent.Model, [])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_thousand_steps_leave_no_tensor_behind(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Descent descent = Descent.Create("quadratic");
        using OptimizerHelper optimizer = Make(name, descent.Model, descent.Parameters, 4);
        long after = 0;
        for (int i = 0; i < 1000; i++)
        {
            using (DisposeScope step = NewDisposeScope())
            {
                Step(optimizer, descent);
            }

            after = i == 9 ? Alive() : after;
        }

        Assert.Equal(after, Alive());

        // What earlier tests left to the finalizer is not counted.
        static long Alive()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return Tensor.TotalCount;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_disposed_of_in_peace_after_its_parameters(string name)
    {
        OptimizerHelper optimizer;
        using (DisposeScope scope = NewDisposeScope())
        {
            Descent descent = Descent.Create("quadratic");
            optimizer = Make(name, descent.Model, descent.Parameters);
            Step(optimizer, descent);
            Array.ForEach([.. descent.Parameters], parameter => parameter.Dispose());
        }

        optimizer.Dispose(); // the finalizer's way too, where an exception ends the process
    }

    private static OptimizerHelper Make(string name, nn.Module model, IEnumerable<Parameter> parameters, int? interval = null) =>
        KnownOptimizers.Get(name).Create(model, parameters, name switch { "adahessian" => 0.2, "hessian-free" => 1, _ => 0.03 }, interval);

    private static Tensor Step(OptimizerHelper optimizer, Descent descent) => ((ICurvatureOptimizer)optimizer).Step(descent.Forward, descent.Targets, Descent.Loss);

    /// <summary>The loss before the last of some steps.</summary>
    private static double Steps(OptimizerHelper optimizer, Descent descent, int count)
    {
        double last = 0;
        for (int i = 0; i < count; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            last = Step(optimizer, descent).ToDouble();
        }

        return last;
    }
}
