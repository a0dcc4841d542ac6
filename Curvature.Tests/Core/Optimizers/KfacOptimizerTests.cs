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

/// <summary>KFAC's steps against dense matrices, in all the forms in which a step can be asked for.</summary>
public sealed class KfacOptimizerTests
{
    private static readonly KfacSettings Plain = new() { KlClip = null, Damping = 0.05, Factors = new KfacOptions { Gradients = FactorGradients.Exact, StartsEven = true } };

    private static KfacOptimizerOptions Whole => new() { LearningRate = 1, Momentum = 0 };

    [Fact]
    public void On_linear_regression_steps_are_those_of_damped_Newton()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Linear model = KroneckerCases.Linear(4, 2);
        Tensor x = randn(9, 4, ScalarType.Float64).to(Here), y = randn(9, 2, ScalarType.Float64).to(Here), ones = torch.ones(9, 1, ScalarType.Float64, device: Here);
        Tensor a = cat([x, ones], 1), theta = cat([model.weight, model.bias!.unsqueeze(1)], 1).detach().clone();
        using KfacOptimizer optimizer = new(model, Whole, Plain with { Rule = DampingRule.ExactEigen });
        Tensor H = a.t().mm(a).mul(2 / 18.0).add(eye(5, 5, ScalarType.Float64, device: Here).mul(0.05)); // of each output; the loss is a mean over 18 entries
        for (int t = 0; t < 12; t++)
        {
            optimizer.Step(() => model.call(x), y, new MeanSquaredError());
            Tensor g = a.mm(theta.t()).sub(y).t().mm(a).mul(2 / 18.0);
            theta = theta.sub(linalg.solve(H, g.t()).t());
            Assert.True(Difference(theta, cat([model.weight, model.bias!.unsqueeze(1)], 1)) < 1e-10);
        }
    }

    [Fact]
    public void A_step_is_the_damped_inverse_times_the_gradient_clipped_with_momentum_and_decay()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        const double Rate = 0.4, Momentum = 0.7, Decay = 0.1, L2 = 0.02, Kappa = 0.003;
        using KfacOptimizer optimizer = new(
            problem.Model, new KfacOptimizerOptions { LearningRate = Rate, Momentum = Momentum, WeightDecay = Decay }, Plain with { KlClip = Kappa, L2 = L2 });
        Tensor theta = problem.Parameters.Snapshot(), m = zeros_like(theta), A = zeros(0, device: Here);
        for (int t = 0; t < 3; t++)
        {
            // Factors are averaged over the steps so far (StartsEven), inverses renewed on steps 0, 1 and 2.
            using KfacFactors now = KfacFactors.Of(problem.Objective(), problem.Model, Plain.Factors);
            Mean(now, t, out KfacFactors mean);
            using KfacFactors held = mean;
            using KfacOperator kfac = new(held);
            using KfacInverse inverse = kfac.Inverse(Plain.Damping + L2);
            Tensor g = problem.Objective().Gradient().add(theta, L2), v = inverse.Apply(g);
            double nu = Math.Min(1, Math.Sqrt(Kappa / (Rate * Rate * v.dot(g).ToDouble())));
            Assert.True(nu < 1);
            m = m.mul(Momentum).add(v.mul(nu));
            theta = theta.mul(1 - (Rate * Decay)).sub(m.mul(Rate));
            Step(optimizer, problem);
            Assert.True(Difference(theta, problem.Parameters.Snapshot()) < 1e-10, $"step {t}: {Difference(theta, problem.Parameters.Snapshot())}");
        }
    }

    private readonly List<IReadOnlyDictionary<string, Tensor>> _seen = [];

    /// <summary>The running mean of the factors of steps 0 to t, by their states.</summary>
    private void Mean(KfacFactors now, int t, out KfacFactors mean)
    {
        _seen.Add(now.StateDict());
        mean = new KfacFactors(Problems.Create("tanh-mlp cross-entropy").Model, null, Plain.Factors);
        Dictionary<string, Tensor> sum = new(_seen[0]);
        foreach (IReadOnlyDictionary<string, Tensor> state in _seen.Skip(1))
        {
            foreach (string key in state.Keys.Where(key => key != "kinds"))
            {
                sum[key] = sum[key].add(state[key]);
            }
        }

        Assert.Equal(t + 1, sum["updates"].ToInt64());
        mean.LoadStateDict(sum);
    }

    [Theory]
    [InlineData("conv, batch norm in eval mode", FactorGradients.Exact)]
    [InlineData("tanh-mlp weighted, smoothed, ignored", FactorGradients.Exact)]
    [InlineData("tanh-mlp weighted, smoothed, ignored", FactorGradients.Empirical)]
    [InlineData("conv, a label a pixel, ignored", FactorGradients.Empirical)]
    [InlineData("gelu-mlp cross-entropy sum", FactorGradients.Identity)]
    [InlineData("tanh-mlp mse", FactorGradients.Empirical)]
    public void Parts_of_a_batch_make_the_whole_batchs_step(string name, FactorGradients gradients)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem whole = Problems.Create(name), parted = Problems.Create(name);
        KfacSettings settings = Plain with { Factors = new KfacOptions { Gradients = gradients, FullBlockLimit = 100 } };
        using KfacOptimizer one = new(whole.Model, Whole, settings), several = new(parted.Model, Whole, settings);
        for (int t = 0; t < 2; t++)
        {
            Tensor a = Step(one, whole);
            Tensor b = several.Step([.. parted.Batches(4, 3).Select(batch => ((Func<Tensor>)(() => parted.Model.call(batch.Inputs)), batch.Targets))], (ICurvatureLoss)parted.Loss);
            Assert.Equal(a.ToDouble(), b.ToDouble(), 1e-12);
        }

        Assert.Equal(one.Registration.Parameters, several.Registration.Parameters);
        Assert.True(Difference(whole.Parameters.Snapshot(), parted.Parameters.Snapshot()) < 1e-10);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.3)] // joins gradient and damping; moments are those of the loss
    public void Ekfac_divides_by_running_moments_in_the_factors_eigenvectors(double l2)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        Linear model = KroneckerCases.Linear(3, 2, bias: false);
        Tensor x = randn(8, 3, ScalarType.Float64).to(Here), y = randn(8, 2, ScalarType.Float64).to(Here), W = model.weight.detach().clone();
        using KfacOptimizer optimizer = new(model, Whole, Plain with { MomentDecay = 0.75, InverseInterval = 1000, L2 = l2 });

        // G = (2/2) I of a mean over 16 entries, so that U_G = I and s starts as the eigenvalues of A for each output.
        (Tensor values, Tensor U) = linalg.eigh(x.t().mm(x).div(8));
        Tensor s = values.unsqueeze(0).repeat(2, 1);
        Tensor? before = null;
        foreach (int t in new[] { 0, 1, 2, 3 })
        {
            if (t is 1 or 2)
            {
                s = values.unsqueeze(0).repeat(2, 1); // renewed with the eigenvectors on steps 0, 1, 2, 4, ...
            }

            optimizer.Step(() => model.call(x), y, new MeanSquaredError());
            Tensor g = x.mm(W.t()).sub(y).t().mm(x).mul(2 / 16.0).mm(U);
            s = s.mul(0.75).add(g.square().mul(8), 0.25);
            W = W.sub(g.add(W.mm(U), l2).div(s.add(0.05 + l2)).mm(U.t()));
            Assert.True(Difference(W, model.weight) < 1e-10, $"step {t}");
            before = s;
        }

        Assert.False(before!.allclose(values.unsqueeze(0).repeat(2, 1)));
    }

    [Fact]
    public void Large_factors_can_be_replaced_by_blocks_on_their_diagonal()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        Linear model = KroneckerCases.Linear(6, 2);
        Tensor x = randn(12, 6, ScalarType.Float64).to(Here), y = randn(12, 2, ScalarType.Float64).to(Here), a = cat([x, ones(12, 1, ScalarType.Float64, device: Here)], 1);
        Tensor W = cat([model.weight, model.bias!.unsqueeze(1)], 1).detach().clone(), g = a.mm(W.t()).sub(y).t().mm(a).mul(2 / 24.0);
        using KfacOptimizer optimizer = new(model, Whole, Plain with { Rule = DampingRule.Unsplit, LargestBlock = 3 });
        optimizer.Step(() => model.call(x), y, new MeanSquaredError());

        // 7 rows in three blocks: 3, 3, 1. G = I.
        Tensor A = a.t().mm(a).div(12), mask = zeros(7, 7, ScalarType.Float64, device: Here);
        foreach ((int first, int count) in new[] { (0, 3), (3, 3), (6, 1) })
        {
            mask.narrow(0, first, count).narrow(1, first, count).fill_(1);
        }

        Tensor B = linalg.inv(A.mul(mask).add(eye(7, 7, ScalarType.Float64, device: Here).mul(0.05)));
        Assert.True(Difference(W.sub(g.mm(B).div(1.05)), cat([model.weight, model.bias!.unsqueeze(1)], 1)) < 1e-10);
    }

    [Theory]
    [InlineData(FactorGradients.MonteCarlo, null, false)]
    [InlineData(FactorGradients.MonteCarlo, 0.75, false)]
    [InlineData(FactorGradients.Empirical, 0.5, true)]
    public void A_network_resumed_between_two_updates_goes_on_bit_for_bit(FactorGradients gradients, double? moments, bool byHooks)
    {
        using DisposeScope scope = NewDisposeScope();
        KfacSettings settings = new() { FactorInterval = 3, InverseInterval = 8, LargestBlock = 4, MomentDecay = moments, Factors = new KfacOptions { Gradients = gradients, Seed = 5, StartsEven = true } };
        Problem straight = Problems.Create("conv, batch norm in train mode"), broken = Problems.Create("conv, batch norm in train mode");
        KfacOptimizer Make(Problem problem) => new(problem.Model, new KfacOptimizerOptions { LearningRate = 0.05 }, settings);
        using KfacOptimizer whole = Make(straight), first = Make(broken), resumed = Make(broken);
        void Run(KfacOptimizer optimizer, Problem problem, int steps)
        {
            for (int t = 0; t < steps; t++)
            {
                using DisposeScope inner = NewDisposeScope();
                if (byHooks)
                {
                    optimizer.zero_grad();
                    problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
                    optimizer.step();
                }
                else
                {
                    Step(optimizer, problem);
                }
            }
        }

        Run(whole, straight, 14);
        Run(first, broken, 7);
        using MemoryStream stream = new();
        first.save_state_dict(new BinaryWriter(stream));
        first.Dispose();
        stream.Position = 0;
        resumed.load_state_dict(new BinaryReader(stream));
        Run(resumed, broken, 7);
        Assert.True(straight.Parameters.Snapshot().Equals(broken.Parameters.Snapshot()));
        Assert.Equal(14, resumed.Steps);
        Assert.Equal(whole.Registration.Parameters, resumed.Registration.Parameters);
    }

    [Fact]
    public void The_damping_follows_how_well_the_model_foretells_a_step()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Linear model = KroneckerCases.Linear(4, 1);
        Tensor x = randn(9, 4, ScalarType.Float64).to(Here), y = randn(9, 1, ScalarType.Float64).to(Here);
        LevenbergMarquardt schedule = new() { Interval = 2, Factor = 0.5 };
        KfacSettings settings = Plain with { Schedule = schedule, Damping = 0.1, InverseInterval = 1 };

        // Of linear regression the model is exact: the ratio is 1, and lambda halves on every second step.
        using KfacOptimizer exact = new(model, Whole, settings);
        double[] dampings = [.. Enumerable.Range(0, 6).Select(_ =>
        {
            exact.Step(() => model.call(x), y, new MeanSquaredError());
            return exact.Damping;
        })];
        Assert.Equal([0.1, 0.05, 0.05, 0.025, 0.025, 0.0125], dampings);

        // A loss that is far larger when it is looked at again: the step seems to have gone uphill.
        using KfacOptimizer blind = new(model, Whole, settings with { Factors = new KfacOptions { Gradients = FactorGradients.Empirical } });
        int calls = 0;
        blind.step(() => model.call(x).sub(y).square().mean());
        blind.step(() => model.call(x).sub(y).square().mean().add(calls++ == 0 ? 0 : 100));
        Assert.Equal(2, calls);
        Assert.Equal(0.2, blind.Damping);
    }

    [Fact]
    public void The_damping_stays_where_nothing_moves_and_does_not_rise_for_ever()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear model = KroneckerCases.Linear(4, 1);
        Tensor x = KroneckerCases.Inputs(4);
        int calls = 0;
        Tensor Loss() => model.call(x).square().mean();
        KfacSettings settings = Plain with { Schedule = new LevenbergMarquardt { Interval = 1, Factor = 0.5 }, Damping = 9e7, Factors = new KfacOptions { Gradients = FactorGradients.Empirical } };

        using KfacOptimizer still = new(model, new KfacOptimizerOptions { LearningRate = 0, Momentum = 0 }, settings), uphill = new(model, Whole, settings);
        still.step(Loss);
        Assert.Equal(9e7, still.Damping);
        uphill.step(() => Loss().add(calls++));
        uphill.step(() => Loss().add(calls++));
        Assert.Equal(1e8, uphill.Damping);
    }

    [Fact]
    public void A_second_look_at_the_loss_draws_what_the_first_drew_and_leaves_no_trace()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Dropout(0.5), KroneckerCases.Linear(4, 1)).to(Here);
        Tensor x = KroneckerCases.Inputs(4);
        List<double> losses = [];
        KfacSettings settings = Plain with { Schedule = new LevenbergMarquardt { Interval = 1 }, Factors = new KfacOptions { Gradients = FactorGradients.Empirical } };
        using KfacOptimizer optimizer = new(model, new KfacOptimizerOptions { LearningRate = 1e-12, Momentum = 0 }, settings);
        for (int step = 0; step < 3; step++)
        {
            optimizer.step(() =>
            {
                Tensor loss = model.call(x).square().mean();
                losses.Add(loss.ToDouble());
                return loss;
            });
        }

        Assert.Equal(6, losses.Count);
        Assert.All(Enumerable.Range(0, 3), step => Assert.Equal(losses[2 * step], losses[(2 * step) + 1], 1e-6));
        Assert.Equal(3, losses.Select(loss => Math.Round(loss, 4)).Distinct().Count());
    }

    [Fact]
    public void A_second_look_at_the_loss_leaves_running_statistics_as_the_first_left_them()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor Statistics(LevenbergMarquardt? schedule)
        {
            Problem problem = Problems.Create("conv, batch norm in train mode");
            using KfacOptimizer optimizer = new(problem.Model, Whole, new KfacSettings { Schedule = schedule });
            Step(optimizer, problem);
            Assert.Equal(schedule is not null, optimizer.Damping != 1e-3);
            return cat([.. problem.Model.named_buffers().Select(b => b.buffer.to(ScalarType.Float64).reshape(-1))]);
        }

        // A ratio that no step reaches: lambda rises.
        Assert.True(Statistics(null).Equals(Statistics(new LevenbergMarquardt { Interval = 1, Low = 10, High = 11 })));
    }

    [Fact]
    public void A_step_that_cannot_invert_a_factor_leaves_all_as_it_was()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [Problems.Create("tanh-mlp mse"), Problems.Create("tanh-mlp mse")];
        using KfacOptimizer optimizer = new(problems[0].Model, Whole, Plain), twin = new(problems[1].Model, Whole, Plain);
        Step(optimizer, problems[0]);
        Step(twin, problems[1]);
        Tensor[] State() => [.. optimizer.state_dict().State.Cast<NamedState>().SelectMany(state => state.Names.Select(name => state.Find(name)!))];
        Tensor[] factors = [.. optimizer.state_dict().State.Cast<NamedState>().SelectMany(state => state.Names.Where(name => name.EndsWith("/A", StringComparison.Ordinal)).Select(name => state.Find(name)!))];
        void Scale(double factor) => Array.ForEach(factors, value => value.mul_(factor)); // by what rounds nothing
        Scale(-1024);
        Tensor[] before = [.. State().Select(value => value.clone()), problems[0].Parameters.Snapshot()];
        Assert.ThrowsAny<CurvatureException>(() => Step(optimizer, problems[0]));
        Assert.All(before.Zip(State().Append(problems[0].Parameters.Snapshot())), pair => Assert.True(pair.First.Equals(pair.Second)));
        Assert.Equal(1, optimizer.Steps);
        Scale(-1 / 1024.0);
        Step(optimizer, problems[0]);
        Step(twin, problems[1]);
        Assert.True(problems[0].Parameters.Snapshot().Equals(problems[1].Parameters.Snapshot()));
    }

    [Theory]
    [InlineData("tanh-mlp mse")]
    [InlineData("conv")]
    public void Updates_in_place_and_those_beside_a_renewal_that_may_fail_have_the_same_bits(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] Run(int inverseInterval)
        {
            Problem problem = Problems.Create(name);
            using KfacOptimizer optimizer = new(problem.Model, new KfacOptimizerOptions { LearningRate = 0 }, new KfacSettings { FactorInterval = 1, InverseInterval = inverseInterval, Factors = new KfacOptions { Decay = 0.6, StartsEven = true } });
            for (int t = 0; t < 8; t++)
            {
                Step(optimizer, problem);
            }

            return [.. optimizer.state_dict().State.Cast<NamedState>().SelectMany(state => state.Names.Where(entry => entry.StartsWith("factor ", StringComparison.Ordinal)).Select(entry => state.Find(entry)!.clone()))];
        }

        (Tensor[] beside, Tensor[] inPlace) = (Run(1), Run(100));
        Assert.NotEmpty(beside);
        Assert.All(beside.Zip(inPlace), pair => Assert.True(pair.First.Equals(pair.Second)));
    }

    [Fact]
    public void Ekfac_resumed_remembers_how_many_samples_its_factors_last_had()
    {
        using DisposeScope scope = NewDisposeScope();
        KfacSettings settings = KfacSettings.Ekfac with { KlClip = null, FactorInterval = 4, InverseInterval = 100, Factors = new KfacOptions { Gradients = FactorGradients.Empirical } };
        Tensor Run(bool resumes)
        {
            Problem problem = Problems.Create("tanh-mlp mse");
            KfacOptimizer optimizer = new(problem.Model, Whole, settings);
            for (int t = 0; t < 7; t++)
            {
                long rows = t == 5 ? 2 : problem.Inputs.shape[0]; // a smaller batch, which updates no factors
                Tensor x = problem.Inputs.narrow(0, 0, rows), y = problem.Targets.narrow(0, 0, rows);
                if (t == 6)
                {
                    optimizer = resumes ? Resumed(optimizer, problem) : optimizer;
                    optimizer.Step(() => problem.Loss.Value(problem.Model.call(x), y));
                    continue;
                }

                optimizer.Step(() => problem.Model.call(x), y, (ICurvatureLoss)problem.Loss);
            }

            optimizer.Dispose();
            return problem.Parameters.Snapshot();
        }

        KfacOptimizer Resumed(KfacOptimizer from, Problem problem)
        {
            using MemoryStream file = new();
            from.save_state_dict(new BinaryWriter(file));
            from.Dispose();
            file.Position = 0;
            KfacOptimizer optimizer = new(problem.Model, Whole, settings);
            optimizer.load_state_dict(new BinaryReader(file));
            return optimizer;
        }

        Assert.True(Run(false).Equals(Run(true)));
    }

    [Fact]
    public void A_first_batch_that_is_not_finite_does_not_decide_what_the_layers_are()
    {
        using DisposeScope scope = NewDisposeScope();
        using LayerOptimizerTests.Twice model = new();
        Tensor x = KroneckerCases.Inputs(4), y = KroneckerCases.Inputs(3);
        using KfacOptimizer optimizer = new(model, Whole, Plain);
        optimizer.Step(() => model.call(x.mul(double.NaN)), y, new MeanSquaredError());
        optimizer.Step(() => model.call(x), y, new MeanSquaredError());
        Assert.Equal((1, 1), (optimizer.Steps, optimizer.SkippedSteps));
        Assert.Equal(BlockKind.BatchDiagonal, optimizer.Registration.Parameters.Single(p => p.Name == "linear.weight").Kind); // it acts outside its layer too
    }

    [Theory]
    [InlineData(DampingRule.Unsplit, false)]
    [InlineData(DampingRule.ExactEigen, false)]
    [InlineData(DampingRule.Unsplit, true)]
    public void The_settings_of_kfac_pytorch_do_as_it_does(DampingRule rule, bool byHooks)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        Linear model = KroneckerCases.Linear(3, 4);
        using KfacOptimizer optimizer = new(model, new KfacOptimizerOptions { LearningRate = 0.1, Momentum = 0 }, rule == DampingRule.Unsplit ? KfacSettings.PytorchInverse : KfacSettings.PytorchEigen);
        Tensor W = cat([model.weight, model.bias!.unsqueeze(1)], 1).detach().clone(), A = eye(4, 4, ScalarType.Float64, device: Here), G = eye(4, 4, ScalarType.Float64, device: Here);
        for (int t = 0; t < 4; t++)
        {
            Tensor x = randn(6, 3, ScalarType.Float64).to(Here), y = randint(4, [6]).to(Here), a = cat([x, ones(6, 1, ScalarType.Float64, device: Here)], 1);
            Tensor s = a.mm(W.t()).softmax(1).sub(nn.functional.one_hot(y, 4)).div(6), g = s.t().mm(a);
            (A, G) = (A.mul(0.95).add(a.t().mm(a).div(6), 0.05), G.mul(0.95).add(s.t().mm(s).div(6), 0.05));
            Tensor I = eye(4, 4, ScalarType.Float64, device: Here).mul(1e-3), V;
            if (rule == DampingRule.Unsplit)
            {
                V = linalg.inv(G.add(I)).mm(g).mm(linalg.inv(A.add(I)));
            }
            else
            {
                ((Tensor a1, Tensor UA), (Tensor g1, Tensor UG)) = (linalg.eigh(A), linalg.eigh(G));
                V = UG.mm(UG.t().mm(g).mm(UA).div(g1.outer(a1).add(1e-3))).mm(UA.t());
            }

            double nu = Math.Min(1, Math.Sqrt(1e-3 / Math.Abs(V.mul(g).sum().ToDouble() * 0.01)));
            W = W.sub(V.mul(0.1 * nu));
            if (byHooks)
            {
                optimizer.zero_grad();
                new CrossEntropy().Value(model.call(x), y).backward();
                optimizer.step();
            }
            else
            {
                optimizer.Step(() => model.call(x), y, new CrossEntropy());
            }

            Assert.True(Difference(W, cat([model.weight, model.bias!.unsqueeze(1)], 1)) < 1e-9, $"step {t}");
        }
    }

    [Fact]
    public void Refuses_what_makes_no_step()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacOptimizer optimizer = new(problem.Model);
        Assert.Contains("Step(forward, targets, loss)", Refusal(() => optimizer.Step(() => problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets))), StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => optimizer.Registration);
        foreach (KfacSettings bad in new KfacSettings[]
        {
            new() { FactorInterval = 0 }, new() { InverseInterval = -1 }, new() { Damping = 0 }, new() { KlClip = 0 }, new() { LargestBlock = 0 }, new() { L2 = -1 }, new() { Schedule = new LevenbergMarquardt { Factor = 1 } }, new() { MomentDecay = 1 }, new() { Terms = 0 },
            new() { Factors = new KfacOptions { Decay = 0 } },
        })
        {
            Assert.Contains("got", Refusal(() => new KfacOptimizer(problem.Model, settings: bad).Dispose()), StringComparison.Ordinal);
        }

        Step(optimizer, problem);
        optimizer.add_param_group(new ParamGroup { Parameters = [new Parameter(zeros(2, ScalarType.Float64, device: Here))] });
        Assert.Contains("before the first step", Refusal(() => Step(optimizer, problem)), StringComparison.Ordinal);
        Parameter first = problem.Model.parameters().First();
        first.requires_grad = false;
        using KfacOptimizer thawing = new(problem.Model);
        Step(thawing, problem);
        first.requires_grad = true;
        Assert.Contains("was frozen", Refusal(() => Step(thawing, problem)), StringComparison.Ordinal);
        using KfacOptimizer hooked = new(problem.Model, settings: new KfacSettings { Factors = new KfacOptions { Gradients = FactorGradients.Empirical } });
        problem.Model.eval();
        problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
        Assert.Contains("train", Refusal(() => hooked.step()), StringComparison.Ordinal);
    }

    private static string Refusal(Action action) => Assert.Throws<CurvatureException>(action).Message;

    private static Tensor Step(KfacOptimizer optimizer, Problem problem) =>
        optimizer.Step(() => problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);

    private static double Difference(Tensor a, Tensor b) => a.sub(b.detach()).abs().max().ToDouble() / b.detach().abs().max().ToDouble();
}
