using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Core.Kronecker;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>Steps along the gradients of the caller's own backward passes, which hooks look at.</summary>
public sealed class LayerOptimizerTests
{
    private static readonly KfacSettings Observed = new() { KlClip = null, Damping = 0.05, Factors = new KfacOptions { Gradients = FactorGradients.Empirical, StartsEven = true } };

    private static KfacOptimizerOptions Whole => new() { LearningRate = 1, Momentum = 0 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_pass_whose_gradients_were_set_to_zero_is_as_if_it_had_not_been(bool mkor)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Run(bool twice)
        {
            Problem problem = Problems.Create("tanh-mlp mse");
            using OptimizerHelper optimizer = mkor ? new MkorOptimizer(problem.Model, new MkorOptimizerOptions { LearningRate = 0.1 }) : new KfacOptimizer(problem.Model, Whole, Observed);
            for (int t = 0; t < 3; t++)
            {
                if (twice)
                {
                    problem.Loss.Value(problem.Model.call(problem.Inputs.mul(3)), problem.Targets).backward();
                }

                Tensor loss = problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets);
                optimizer.zero_grad(); // after the evaluation: what no backward pass has reached yet stays
                loss.backward();
                optimizer.step();
            }

            return problem.Parameters.Snapshot();
        }

        Assert.True(Run(false).Equals(Run(true)));
    }

    [Fact]
    public void By_hooks_a_run_goes_on_too_where_a_weight_acts_outside_its_layer()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(8);
        Tensor x = KroneckerCases.Inputs(4), y = KroneckerCases.Inputs(3);
        Tensor Run(bool resumes)
        {
            random.manual_seed(9);
            using Twice model = new();
            KfacOptimizer Make() => new(model, Whole, Observed);
            KfacOptimizer optimizer = Make();
            for (int t = 0; t < 4; t++)
            {
                if (resumes && t == 2)
                {
                    using KfacOptimizer before = optimizer;
                    optimizer = Make();
                    optimizer.load_state_dict(before.state_dict());
                }

                optimizer.zero_grad();
                nn.functional.mse_loss(model.call(x), y).backward();
                optimizer.step();
            }

            Assert.Equal(BlockKind.BatchDiagonal, optimizer.Registration.Parameters[0].Kind);
            optimizer.Dispose();
            return model.parameters().First().detach().clone();
        }

        Assert.True(Run(false).Equals(Run(true)));
    }

    [Fact]
    public void Several_backward_passes_before_a_step_are_one_batch_where_only_its_gradient_is_known_too()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = KroneckerCases.Inputs(4), y = KroneckerCases.Inputs(3);
        Tensor Run(int parts)
        {
            random.manual_seed(6);
            using Scaling model = new();
            using KfacOptimizer optimizer = new(model, Whole, Observed);
            for (int t = 0; t < 3; t++)
            {
                optimizer.zero_grad();
                foreach ((Tensor a, Tensor b) in x.chunk(parts).Zip(y.chunk(parts)))
                {
                    nn.functional.mse_loss(model.call(a), b).mul(a.shape[0] / (double)x.shape[0]).backward();
                }

                optimizer.step();
            }

            Assert.Equal(BlockKind.BatchDiagonal, optimizer.Registration.Parameters.Single(p => p.Name == "scale").Kind);
            return new Curvature.Tensors.ParameterSpace(model.named_parameters().Select(p => (p.name, (Tensor)p.parameter))).Snapshot();
        }

        Assert.True(Difference(Run(2), Run(1)) < 1e-10);
    }

    [Fact]
    public void A_model_that_is_not_called_with_a_tensor_is_stepped_by_the_forms_that_are_given_the_loss()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = KroneckerCases.Inputs(4), y = KroneckerCases.Inputs(2);
        Tensor Run(bool whole, bool mkor)
        {
            random.manual_seed(7);
            Linear first = KroneckerCases.Linear(4, 3), second = KroneckerCases.Linear(3, 2);
            Sequential chain = nn.Sequential(first, nn.Tanh(), second).to(Here);
            nn.Module model = whole ? chain : new Pair(first, second);
            using OptimizerHelper optimizer = mkor
                ? new MkorOptimizer(model, new MkorOptimizerOptions { LearningRate = 0.1 })
                : new KfacOptimizer(model, Whole, Observed);
            for (int t = 0; t < 3; t++)
            {
                optimizer.step(() => nn.functional.mse_loss(second.call(first.call(x).tanh()), y));
            }

            if (!whole)
            {
                Assert.Contains("step(() => loss)", Refusal(() => optimizer.step()), StringComparison.Ordinal);
            }

            return cat([first.weight.reshape(-1), second.weight.reshape(-1)]).detach();
        }

        foreach (bool mkor in new[] { false, true })
        {
            Assert.True(Run(true, mkor).Equals(Run(false, mkor)));
        }
    }

    [Fact]
    public void A_layer_that_was_evaluated_by_forward_is_an_error_by_its_name()
    {
        using DisposeScope scope = NewDisposeScope();
        Bypassing model = new();
        Tensor x = KroneckerCases.Inputs(4), y = KroneckerCases.Inputs(2);
        using KfacOptimizer optimizer = new(model), hooked = new(model, settings: new KfacSettings { Factors = new KfacOptions { Gradients = FactorGradients.Empirical } });
        Assert.Contains("'bypassed.", Assert.Throws<CurvatureException>(() => optimizer.Step(() => model.call(x), y, new MeanSquaredError())).Message, StringComparison.Ordinal);
        nn.functional.mse_loss(model.call(x), y).backward();
        Assert.Contains("'bypassed.", Assert.Throws<CurvatureException>(() => hooked.step()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Calls_without_a_backward_pass_leave_the_step_as_it_is()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Run(int calls)
        {
            Problem problem = Problems.Create("tanh-mlp mse");
            using KfacOptimizer optimizer = new(problem.Model, Whole, Observed);
            Idle(problem, calls);
            problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
            optimizer.step();
            return problem.Parameters.Snapshot();
        }

        Assert.True(Run(0).Equals(Run(100)));
    }

    [Fact]
    public void One_backward_pass_through_many_calls_is_the_step_of_as_many_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Run(bool together)
        {
            Problem problem = Problems.Create("tanh-mlp mse");
            using KfacOptimizer optimizer = new(problem.Model, Whole, Observed);
            Tensor[] losses = [.. Enumerable.Range(0, 100).Select(i => problem.Loss.Value(problem.Model.call(problem.Inputs.mul(1 + (0.01 * i))), problem.Targets).mul(0.01))];
            Array.ForEach(together ? [losses.Aggregate((a, b) => a.add(b))] : losses, loss => loss.backward());
            optimizer.step();
            return problem.Parameters.Snapshot();
        }

        Assert.True(Difference(Run(false), Run(true)) < 1e-10);
    }

    [Fact]
    public void Where_calls_were_forgotten_the_step_is_refused_whichever_of_them_its_pass_went_through()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacOptimizer optimizer = new(problem.Model, Whole, Observed) { MostWaitingCalls = 8 };
        Assert.Throws<CurvatureException>(() => optimizer.MostWaitingCalls = 0);
        Tensor Loss() => problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets);
        foreach (bool both in new[] { true, false })
        {
            Tensor first = Loss();
            Idle(problem, 9);
            long before = Live();
            Idle(problem, 50);
            Assert.InRange(Live(), 0, before);
            Tensor second = Loss();
            (both ? first.add(second) : second).backward();
            Assert.Contains("more than 8 calls of the model in train mode waited", Assert.Throws<CurvatureException>(() => optimizer.step()).Message, StringComparison.Ordinal);
            optimizer.zero_grad();
        }

        for (int i = 0; i < 40; i++)
        {
            Loss().backward(); // one after the other, none waits
        }

        optimizer.step();
        Assert.Equal(1, optimizer.Steps);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public void A_step_that_is_given_the_loss_lets_go_of_the_calls_that_wait(int interval)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using MkorOptimizer optimizer = new(problem.Model, new MkorOptimizerOptions { LearningRate = 0.01 }, new MkorSettings { UpdateInterval = interval }) { MostWaitingCalls = 8 };
        void Step()
        {
            using DisposeScope inner = NewDisposeScope();
            optimizer.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
        }

        Step();
        long before = Live();
        for (int t = 0; t < 21; t++)
        {
            Idle(problem, 9);
            Step();
            Assert.InRange(Live(), 0, before);
        }

        while (optimizer.Steps % interval != 0)
        {
            Step();
        }

        problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
        optimizer.step(); // is not told of calls before the last step
    }

    [Fact]
    public void Hooks_go_with_the_optimizer_and_steps_leave_no_tensor_behind()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv");
        long before = 0;
        using (KfacOptimizer optimizer = new(problem.Model, settings: new KfacSettings { FactorInterval = 2, InverseInterval = 3, Factors = new KfacOptions { Gradients = FactorGradients.Empirical } }))
        {
            for (int t = 0; t < 60; t++)
            {
                using DisposeScope inner = NewDisposeScope();
                optimizer.zero_grad();
                problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
                optimizer.step();
                before = t == 17 ? Live() : before; // at the same place of both intervals as the end
            }

            Assert.InRange(Live(), 0, before);
        }

        long without = Live();
        using (NewDisposeScope())
        {
            problem.Model.call(problem.Inputs).sum().backward();
        }

        Assert.InRange(Live(), 0, without);
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("tanh-mlp mse")]
    [InlineData("gelu-mlp cross-entropy sum")]
    [InlineData("conv")]
    public void With_observed_gradients_all_forms_make_the_same_steps(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 4).Select(_ => Problems.Create(name))];
        KfacSettings settings = Observed with { FactorInterval = 2, Reduction = problems[0].Loss.Reduction };
        KfacOptimizer[] optimizers = [.. problems.Select(p => new KfacOptimizer(p.Model, Whole, settings))];
        double[] shares = problems[0].Loss.Reduction == Reduction.Mean ? [4 / 7.0, 3 / 7.0] : [1, 1];
        for (int t = 0; t < 5; t++)
        {
            using DisposeScope inner = NewDisposeScope();
            Step(optimizers[0], problems[0]);
            optimizers[1].step(() => problems[1].Loss.Value(problems[1].Model.call(problems[1].Inputs), problems[1].Targets));

            Look(problems[2].Model, problems[2].Inputs);
            optimizers[2].zero_grad();
            problems[2].Loss.Value(problems[2].Model.call(problems[2].Inputs), problems[2].Targets).backward();
            Look(problems[2].Model, problems[2].Inputs);
            optimizers[2].step();

            optimizers[3].zero_grad();
            foreach ((Batch batch, double share) in problems[3].Batches(4, 3).Zip(shares))
            {
                problems[3].Loss.Value(problems[3].Model.call(batch.Inputs), batch.Targets).mul(share).backward();
            }

            optimizers[3].step();
        }

        Assert.All(problems, p => Assert.True(Difference(problems[0].Parameters.Snapshot(), p.Parameters.Snapshot()) < 1e-9, $"{Difference(problems[0].Parameters.Snapshot(), p.Parameters.Snapshot())}"));
        Array.ForEach(optimizers, optimizer => optimizer.Dispose());

        // What hooks are to ignore.
        static void Look(nn.Module<Tensor, Tensor> model, Tensor inputs)
        {
            using (no_grad())
            {
                model.call(inputs.mul(2));
            }

            model.eval();
            model.call(inputs.mul(3)).sum().mul(0).backward();
            model.train();
            model.call(inputs.mul(4)); // with a graph, but no backward pass comes to it
        }
    }

    /// <summary>Evaluations for which gradients were left on.</summary>
    private static void Idle(Problem problem, int calls)
    {
        for (int i = 0; i < calls; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            problem.Model.call(problem.Inputs.mul(3));
        }
    }

    private static long Live()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }

    private static string Refusal(Action action) => Assert.Throws<CurvatureException>(action).Message;

    private static Tensor Step(KfacOptimizer optimizer, Problem problem) =>
        optimizer.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);

    private static double Difference(Tensor a, Tensor b) => a.sub(b.detach()).abs().max().ToDouble() / b.detach().abs().max().ToDouble();

    internal sealed class Twice : nn.Module<Tensor, Tensor>
    {
        private readonly Linear linear = KroneckerCases.Linear(4, 3, bias: false);

        public Twice() : base("twice") => RegisterComponents();

        public override Tensor forward(Tensor input) => linear.call(input).tanh().add(input.mm(linear.weight!.t()));
    }

    private sealed class Scaling : nn.Module<Tensor, Tensor>
    {
        private readonly Linear linear = KroneckerCases.Linear(4, 3);
        private readonly Parameter scale = new(ones(3, ScalarType.Float64, device: Here).DetachFromDisposeScope());

        public Scaling() : base("scaling") => RegisterComponents();

        public override Tensor forward(Tensor input) => linear.call(input).mul(scale);
    }

    private sealed class Bypassing : nn.Module<Tensor, Tensor>
    {
        private readonly Linear called = KroneckerCases.Linear(4, 3);
        private readonly Linear bypassed = KroneckerCases.Linear(3, 2);

        public Bypassing() : base("bypassing") => RegisterComponents();

        public override Tensor forward(Tensor input) => bypassed.forward(called.call(input).tanh());
    }

    /// <summary>Two layers that nothing calls together.</summary>
    private sealed class Pair : nn.Module
    {
        public Pair(Linear first, Linear second) : base(nameof(Pair))
        {
            register_module("first", first);
            register_module("second", second);
        }
    }
}
