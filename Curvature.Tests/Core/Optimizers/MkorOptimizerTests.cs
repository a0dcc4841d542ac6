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

/// <summary>MKOR's steps against inverses of dense moving averages, its forms, and the fall-back to the gradient.</summary>
public sealed class MkorOptimizerTests
{
    private static readonly MkorSettings Plain = new() { UpdateInterval = 2, Factors = new MkorOptions { Stabiliser = 0 } };

    [Fact]
    public void Steps_are_those_of_the_inverses_of_dense_moving_averages()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Linear model = KroneckerCases.Linear(4, 2);
        const double Rate = 0.3, Momentum = 0.6, Decay = 0.1;
        using MkorOptimizer optimizer = new(model, new MkorOptimizerOptions { LearningRate = Rate, Momentum = Momentum, WeightDecay = Decay }, Plain);
        Tensor theta = cat([model.weight, model.bias!.unsqueeze(1)], 1).detach().clone(), m = zeros_like(theta);
        Tensor? L = null, R = null;
        for (int t = 0; t < 7; t++)
        {
            Tensor x = randn(9, 4, ScalarType.Float64).to(Here), y = randn(9, 2, ScalarType.Float64).to(Here), a = cat([x, ones(9, 1, ScalarType.Float64, device: Here)], 1);
            Tensor s = a.mm(theta.t()).sub(y).mul(2 / 18.0), G = s.t().mm(a);
            if (t % 2 == 0)
            {
                L = Average(L, s.sum(dim: 0));
                R = Average(R, a.mean([0L]));
            }

            Tensor V = linalg.inv(L!).mm(G).mm(linalg.inv(R!));
            m = m.mul(Momentum).add(V.mul(G.norm().ToDouble() / V.norm().ToDouble()));
            theta = theta.mul(1 - (Rate * Decay)).sub(m.mul(Rate));
            optimizer.Step(() => model.call(x), y, new MeanSquaredError());
            Assert.True(theta.allclose(cat([model.weight, model.bias!.unsqueeze(1)], 1), 1e-9, 1e-11), $"step {t}");
        }

        // Starts at the scale of its first vector.
        static Tensor Average(Tensor? before, Tensor v) =>
            (before ?? eye(v.shape[0], v.shape[0], ScalarType.Float64, device: Here).mul(v.dot(v).ToDouble() / v.shape[0])).mul(0.95).add(v.outer(v), 0.05);
    }

    [Fact]
    public void Mean_patches_of_many_large_images_are_those_of_few_at_a_time()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn(30, 1, 64, 64, ScalarType.Float64).to(Here), y = randn(30, 2, 64, 64, ScalarType.Float64).to(Here);
        Tensor Stepped(int part)
        {
            random.manual_seed(4);
            nn.Module<Tensor, Tensor> model = nn.Sequential(("conv", nn.Conv2d(1, 2, 3, padding: 1, dtype: ScalarType.Float64))).to(Here);
            using MkorOptimizer optimizer = new(model, new MkorOptimizerOptions { LearningRate = 0.1 }, Plain);
            for (int step = 0; step < 3; step++)
            {
                optimizer.Step(Enumerable.Range(0, 30 / part).Select(i => ((Func<Tensor>)(() => model.call(x.narrow(0, i * part, part))), y.narrow(0, i * part, part))), new MeanSquaredError());
            }

            return cat([.. model.parameters().Select(p => p.detach().reshape(-1))]).clone();
        }

        Assert.True(Matrices.RelativeDifference(Stepped(30), Stepped(5)) < 1e-10); // more patches than are gone through at once, and fewer
    }

    [Theory]
    [InlineData(MkorMode.Package)]
    [InlineData(MkorMode.Printed)]
    public void The_other_recurrences_are_those_of_their_sources(MkorMode mode)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Linear model = KroneckerCases.Linear(3, 2, bias: false);
        MkorSettings settings = (mode == MkorMode.Package ? MkorSettings.Package : MkorSettings.Printed) with { UpdateInterval = 1 };
        using MkorOptimizer optimizer = new(model, new MkorOptimizerOptions { LearningRate = 0.1, Momentum = 0 }, settings);
        Tensor W = model.weight.detach().clone(), L = eye(2, 2, ScalarType.Float64, device: Here), R = eye(3, 3, ScalarType.Float64, device: Here);
        for (int t = 0; t < 4; t++)
        {
            Tensor x = randn(5, 3, ScalarType.Float64).to(Here).mul(0.3), y = randn(5, 2, ScalarType.Float64).to(Here);
            Tensor s = x.mm(W.t()).sub(y).mul(2 / 10.0), G = s.t().mm(x);
            (L, R) = (Next(L, s.sum(dim: 0), t), Next(R, x.mean([0L]), t));
            Tensor V = L.mm(G).mm(R);
            W = W.sub(V.mul(0.1 * G.norm().ToDouble() / V.norm().ToDouble()));
            optimizer.Step(() => model.call(x), y, new MeanSquaredError());
            Assert.True(W.allclose(model.weight, 1e-10, 1e-12), $"step {t}");
        }

        Tensor Next(Tensor B, Tensor v, int t)
        {
            const double Gamma = 0.95;
            if (mode == MkorMode.Package)
            {
                Tensor M = t == 0 ? B : B.mul(Gamma).add(eye(B.shape[0], B.shape[0], ScalarType.Float64, device: Here), 1 - Gamma);
                return t == 0 ? B : linalg.inv(linalg.inv(M).add(v.outer(v)));
            }

            Tensor u = B.mv(v);
            return B.mul(Gamma).add(u.outer(u), (1 - Gamma) / (Gamma * Gamma * (1 + (Gamma * (1 - Gamma) * v.dot(u).ToDouble()))));
        }
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("conv")]
    [InlineData("attention, tied head, masked targets")]
    public void All_forms_make_the_same_steps(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem[] problems = [.. Enumerable.Range(0, 4).Select(_ => Problems.Create(name))];
        MkorOptimizer[] optimizers = [.. problems.Select(p => new MkorOptimizer(p.Model, new MkorOptimizerOptions { LearningRate = 0.05 }, Plain with { Factors = new MkorOptions() }))];
        for (int t = 0; t < 5; t++)
        {
            using DisposeScope inner = NewDisposeScope();
            ICurvatureLoss loss = (ICurvatureLoss)problems[0].Loss;
            optimizers[0].Step(() => problems[0].Model.call(problems[0].Inputs), problems[0].Targets, loss);
            optimizers[1].step(() => loss.Value(problems[1].Model.call(problems[1].Inputs), problems[1].Targets));
            optimizers[2].zero_grad();
            loss.Value(problems[2].Model.call(problems[2].Inputs), problems[2].Targets).backward();
            using (no_grad())
            {
                problems[2].Model.call(problems[2].Inputs);
            }

            optimizers[2].step();
            optimizers[3].Step([.. problems[3].Batches(4, 3).Select(batch => ((Func<Tensor>)(() => problems[3].Model.call(batch.Inputs)), batch.Targets))], loss);
        }

        Assert.NotEmpty(optimizers[0].Layers);
        Assert.All(problems, p => Assert.True(problems[0].Parameters.Snapshot().allclose(p.Parameters.Snapshot(), 1e-8, 1e-10), $"{problems[0].Parameters.Snapshot().sub(p.Parameters.Snapshot()).abs().max().ToDouble()}"));
        Array.ForEach(optimizers, optimizer => optimizer.Dispose());
    }

    [Fact]
    public void What_has_no_inverses_steps_along_its_gradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("attention, tied head, masked targets"), plain = Problems.Create("attention, tied head, masked targets");
        using MkorOptimizer none = new(problem.Model, new MkorOptimizerOptions { LearningRate = 0.1 }, new MkorSettings { LargestSide = 1 });
        Assert.Empty(none.Layers);
        using SGD sgd = optim.SGD(plain.Model.parameters(), 0.1, momentum: 0.9);
        for (int t = 0; t < 3; t++)
        {
            none.step(() => problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets));
            sgd.zero_grad();
            plain.Loss.Value(plain.Model.call(plain.Inputs), plain.Targets).backward();
            sgd.step();
        }

        Assert.True(problem.Parameters.Snapshot().allclose(plain.Parameters.Snapshot(), 1e-12, 1e-14));
        using MkorOptimizer some = new(problem.Model);
        Assert.DoesNotContain(some.Layers, layer => layer.Contains("embed", StringComparison.OrdinalIgnoreCase) || layer.Contains("norm", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void With_Adam_inside_directions_go_through_its_rule()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm"), plain = Problems.Create("layer norm");
        using MkorOptimizer none = new(problem.Model, new MkorOptimizerOptions { LearningRate = 0.01 }, new MkorSettings { LargestSide = 1, Adam = true });
        using Adam adam = optim.Adam(plain.Model.parameters(), 0.01);
        for (int t = 0; t < 3; t++)
        {
            none.step(() => problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets));
            adam.zero_grad();
            plain.Loss.Value(plain.Model.call(plain.Inputs), plain.Targets).backward();
            adam.step();
        }

        Assert.True(problem.Parameters.Snapshot().allclose(plain.Parameters.Snapshot(), 1e-10, 1e-12));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void A_network_resumed_between_two_updates_goes_on_bit_for_bit(bool half, bool byHooks)
    {
        using DisposeScope scope = NewDisposeScope();
        MkorSettings settings = new() { UpdateInterval = 3, Factors = new MkorOptions { HalfPrecision = half }, Hybrid = byHooks ? null : new MkorHybrid { Warmup = 8, Interval = 1, Patience = 3, Threshold = 10 } };
        Problem straight = Problems.Create("conv, batch norm in train mode"), broken = Problems.Create("conv, batch norm in train mode");
        MkorOptimizer Make(Problem problem) => new(problem.Model, new MkorOptimizerOptions { LearningRate = 0.05 }, settings);
        using MkorOptimizer whole = Make(straight), first = Make(broken), resumed = Make(broken);
        void Run(MkorOptimizer optimizer, Problem problem, int steps)
        {
            for (int t = 0; t < steps; t++)
            {
                using DisposeScope inner = NewDisposeScope();
                Tensor Loss() => problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets);
                if (byHooks)
                {
                    optimizer.zero_grad();
                    Loss().backward();
                    optimizer.step();
                }
                else
                {
                    optimizer.step(Loss);
                }
            }
        }

        Run(whole, straight, 16);
        Run(first, broken, 8);
        using MemoryStream stream = new();
        first.save_state_dict(new BinaryWriter(stream));
        first.Dispose();
        stream.Position = 0;
        resumed.load_state_dict(new BinaryReader(stream));
        Run(resumed, broken, 8);
        Assert.True(straight.Parameters.Snapshot().Equals(broken.Parameters.Snapshot()));
        Assert.Equal(whole.FirstOrderFrom, resumed.FirstOrderFrom);
        Assert.Equal(byHooks ? null : 10L, resumed.FirstOrderFrom); // a threshold that no rate reaches: low on steps 8, 9 and 10
    }

    [Fact]
    public void The_hybrid_goes_on_along_the_gradient_once_the_loss_no_longer_falls_and_says_so()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear model = KroneckerCases.Linear(2, 1, bias: false);
        MkorHybrid hybrid = new() { Fast = 0.5, Slow = 0.9, Interval = 5, Patience = 2, Warmup = 20, Threshold = 0.01, ReturnAfter = 30 };
        using MkorOptimizer optimizer = new(model, new MkorOptimizerOptions { LearningRate = 0 }, new MkorSettings { Hybrid = hybrid });
        List<MkorSwitch> switches = [];
        optimizer.Switched += switches.Add;
        Tensor x = ones(1, 2, ScalarType.Float64, device: Here);

        // A loss of our own making: it falls by 5 % a step until step 100, then stays. The means, by the formula:
        double fast = 0, slow = 0;
        long? expected = null;
        int low = 0;
        for (int t = 0; t < 140; t++)
        {
            double loss = Math.Pow(0.95, Math.Min(t, 100));
            (fast, slow) = ((0.5 * fast) + (0.5 * loss), (0.9 * slow) + (0.1 * loss));
            (double f, double s) = (fast / (1 - Math.Pow(0.5, t + 1)), slow / (1 - Math.Pow(0.9, t + 1)));
            low = t >= 20 && t % 5 == 0 ? (s - f) / s / (9 - 1) < 0.01 ? low + 1 : 0 : low;
            expected ??= low == 2 ? t : null;
            using DisposeScope inner = NewDisposeScope();
            optimizer.step(() => model.call(x).sum().mul(0).add(loss));
        }

        Assert.InRange(expected!.Value, 101, 130);
        Assert.Equal((expected.Value, true), (switches[0].Step, switches[0].ToFirstOrder));
        Assert.InRange(switches[0].Rate, -1, 0.01);
        for (int t = 140; t < 170; t++)
        {
            optimizer.step(() => model.call(x).sum().mul(0).add(0.01));
        }

        Assert.Equal((expected.Value + 30, false), (switches[1].Step, switches[1].ToFirstOrder));
    }

    [Fact]
    public void Refuses_what_makes_no_step()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        foreach (MkorSettings bad in new MkorSettings[]
        {
            new() { UpdateInterval = 0 }, new() { LargestSide = 0 }, new() { Factors = new MkorOptions { Decay = 1 } }, new() { Hybrid = new MkorHybrid { Slow = 0.5 } }, new() { Hybrid = new MkorHybrid { Patience = 0 } },
        })
        {
            Assert.Contains("got", Assert.Throws<CurvatureException>(() => new MkorOptimizer(problem.Model, settings: bad)).Message, StringComparison.Ordinal);
        }

        using MkorOptimizer hybrid = new(problem.Model, settings: new MkorSettings { Hybrid = new MkorHybrid() }), hooked = new(problem.Model);
        problem.Model.eval();
        problem.Loss.Value(problem.Model.call(problem.Inputs), problem.Targets).backward();
        Assert.Contains("step(() => loss)", Assert.Throws<CurvatureException>(() => hybrid.step()).Message, StringComparison.Ordinal);
        Assert.Contains("train mode", Assert.Throws<CurvatureException>(() => hooked.step()).Message, StringComparison.Ordinal);
    }
}
