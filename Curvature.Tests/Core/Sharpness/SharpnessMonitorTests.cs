using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>A monitor beside a training: what it sees, when it looks, what it writes, and that the training does not notice.</summary>
public sealed class SharpnessMonitorTests
{
    [Fact]
    public void It_sees_the_exact_curvature_as_it_moves()
    {
        using DisposeScope scope = NewDisposeScope();
        (nn.Module<Tensor, Tensor> model, Objective objective, Objective batches) = Network();
        using HessianOperator hessian = new(objective);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions
        {
            Interval = 5,
            Tolerance = 1e-3,
            TraceProbes = 8,
            Batches = batches,
            LearningRate = _ => 0.05,
            Setting = OptimizerSetting.Of("sgd", momentum: 0.5),
        });
        List<MonitorRecord> seen = [];
        Train(model, objective, 21, step => seen.AddRange(monitor.Observe(step) is { } record ? [record] : Array.Empty<MonitorRecord>()), rate: 0.05);
        Assert.Equal([0, 5, 10, 15, 20], seen.Select(record => record.Step));

        MonitorRecord last = seen[^1];
        (Tensor values, Tensor vectors) = linalg.eigh(hessian.ToDense());
        Tensor g = objective.Gradient();
        Assert.Equal(values.max().ToDouble(), last.Sharpness!.Value, 1e-5 * last.Sharpness.Value);
        Assert.True(last.Sharpness.Converged);
        Assert.Equal(objective.Value(), last.Loss!.Value, 1e-12);
        Assert.Equal(g.norm().ToDouble(), last.GradientNorm!.Value, 1e-12);
        Assert.Equal(Math.Abs(g.dot(vectors.select(1, values.numel() - 1)).ToDouble()) / last.GradientNorm.Value, last.Alignment!.Value, 0.01);
        Assert.InRange(values.sum().ToDouble(), last.Trace!.Value - (4 * last.Trace.StandardError), last.Trace.Value + (4 * last.Trace.StandardError));
        Assert.Equal(BatchSharpness.Of(batches).MeanOfRatios.Value, last.BatchSharpness!.Value, 1e-12);
        Assert.Equal(3 / 0.05, last.CriticalSharpness!.Value, 1e-9);
        Assert.True(last.Products - 8 < seen[0].Products - 8, $"{last.Products} products from the last eigenvector, {seen[0].Products} from none");
    }

    [Fact]
    public void Over_ranks_the_clock_of_the_first_says_when_to_look()
    {
        long[][] steps = ThreadRanks.Run(2, ranks =>
        {
            Clock clock = new(); // moves on rank 0 alone: to the other an observation costs nothing
            void Advance() => clock.Advance(ranks.Rank == 0 ? 1 : 0);
            Tensor Loss(ParameterSpace theta)
            {
                Advance();
                return theta.Parameters.Select(p => p.square().sum()).Aggregate((a, b) => a.add(b));
            }

            ParameterSpace theta = ParameterSpace.Of(nn.Linear(3, 2, dtype: ScalarType.Float64).to(Here));
            Objective objective = Objective.FromClosure(theta, [1], _ => Loss(theta), _ => 1, ranks: ranks);
            using SharpnessMonitor monitor = new(objective, new MonitorOptions { Time = clock, MaxOverhead = 0.5, TraceProbes = 0 });
            List<long> seen = [];
            for (int step = 0; step < 100; step++)
            {
                Advance();
                seen.AddRange(monitor.Observe(step) is null ? Array.Empty<long>() : [step]);
            }

            return seen.ToArray();
        });
        Assert.Equal(steps[0], steps[1]);
        Assert.InRange(steps[0].Length, 3, 50);
    }

    [Fact]
    public void A_training_ends_at_the_same_bits_with_and_without_it()
    {
        Tensor End(bool watched)
        {
            using DisposeScope scope = NewDisposeScope();
            manual_seed(5);
            Dropout dropout = nn.Dropout(0.5);
            BatchNorm1d norm = nn.BatchNorm1d(6).to(Here);
            Sequential model = nn.Sequential(nn.Linear(4, 6), norm, dropout, nn.Tanh(), nn.Linear(6, 2)).to(Here);
            using Generator generator = new(1);
            Batch batch = new(empty([12, 4]).normal_(0, 1, generator).to(Here), empty([12, 2]).normal_(0, 1, generator).to(Here));
            Objective objective = Objective.Supervised(model, new MeanSquaredError(), [batch]);
            using SharpnessMonitor monitor = new(objective, new MonitorOptions { Interval = 2, Evaluate = model });
            model.train();
            using SGD sgd = optim.SGD(model.parameters(), 0.1, momentum: 0.9);
            for (int step = 0; step < 9; step++)
            {
                if (step % 2 == 0)
                {
                    sgd.zero_grad(); // otherwise the gradient adds to the one that was there while the monitor looked
                }

                nn.functional.mse_loss(model.call(batch.Inputs), batch.Targets).backward();
                sgd.step();
                if (watched)
                {
                    monitor.Observe(step);
                    Assert.True(dropout.training);
                }
            }

            return cat([objective.Parameters.Snapshot(), norm.running_mean!, norm.running_var!]).MoveToOuterDisposeScope();
        }

        using Tensor with = End(true), without = End(false);
        Assert.True(with.Equals(without));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(40)] // the second observation takes much longer than was expected
    public void By_the_clock_it_takes_no_more_than_its_share(double surprise)
    {
        using DisposeScope scope = NewDisposeScope();
        Clock clock = new();
        Parameter theta = new(ones(3, ScalarType.Float64, device: Here));
        double next = 1; // seconds of an evaluation
        Objective objective = Objective.FromClosure(new Curvature.Tensors.ParameterSpace([("theta", theta)]), [1], _ =>
        {
            clock.Advance(next);
            next = 1;
            return theta.square().sum();
        }, terms: _ => 1);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions { MaxOverhead = 0.1, TraceProbes = 0, Time = clock });
        List<long> steps = [];
        double most = 0;
        for (int step = 0; step < 800; step++)
        {
            clock.Advance(5); // a step of the training
            if (monitor.Observe(step) is { } record)
            {
                steps.Add(step);
                next = steps.Count == 1 ? surprise : 1;
                most = step > 0 ? Math.Max(most, monitor.Overhead) : 0;
            }
        }

        Assert.InRange(steps.Count, 3, 134); // 4,000 seconds of training allow 400 of observations, and one takes three
        Assert.InRange(steps[1], 20, 60); // the first takes some ten evaluations, its checks among them, and as many are expected of the second
        Assert.InRange(monitor.Overhead, 0.05, 0.1);
        Assert.Equal(surprise > 1, most > 0.1); // after the first call never above the share, but for what nobody could expect
    }

    [Fact]
    public void By_the_clock_observations_are_short_until_one_was_finite()
    {
        using DisposeScope scope = NewDisposeScope();
        Clock clock = new();
        Parameter theta = new(full([30], double.PositiveInfinity, ScalarType.Float64, device: Here));
        Tensor curvature = tensor([.. Enumerable.Range(1, 30).Select(i => (double)i)], device: Here);
        Objective objective = Objective.FromClosure(new Curvature.Tensors.ParameterSpace([("theta", theta)]), [1], _ =>
        {
            clock.Advance(1);
            return theta.square().mul(curvature).sum().div(2);
        }, terms: _ => 1);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions { MaxProducts = 40, TraceProbes = 0, MaxOverhead = 0.1, Time = clock });
        Assert.NotNull(monitor.Observe(0)!.Problem);
        clock.Advance(5);
        Assert.Null(monitor.Observe(1)); // charged like any other
        using (no_grad())
        {
            theta.fill_(1);
        }

        clock.Advance(1000);
        Assert.Equal(4, monitor.Observe(2)!.Products);
        clock.Advance(1000);
        Assert.InRange(monitor.Observe(3)!.Products, 5, 40);
    }

    [Fact]
    public void By_the_clock_the_first_observation_is_short()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(30, ScalarType.Float64, device: Here));
        Tensor curvature = tensor([.. Enumerable.Range(1, 30).Select(i => (double)i)], device: Here);
        Objective objective = Objective.FromClosure(new Curvature.Tensors.ParameterSpace([("theta", theta)]), [1], _ => theta.square().mul(curvature).sum().div(2), terms: _ => 1);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions { TraceProbes = 2 });
        MonitorRecord seen = monitor.Observe(0)!;
        Assert.Equal(4 + 2, seen.Products);
        Assert.False(seen.Sharpness!.Converged); // as it says
        Assert.InRange(seen.Sharpness.Value, 25, 30); // from the gradient, which is curvature times ones here
        Assert.InRange(30, seen.Sharpness.Value, seen.Sharpness.Value + (2 * seen.Sharpness.Residual));
    }

    [Fact]
    public void Its_file_has_whole_lines_and_a_run_that_goes_on_replaces_what_it_makes_again()
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        (nn.Module<Tensor, Tensor> model, Objective objective, Objective batches) = Network();
        string path = folder.File("runs/monitor.jsonl");
        MonitorOptions options = new() { Path = path, Interval = 3, Batches = batches, LearningRate = _ => 0.1 };
        Dictionary<string, Tensor> state = [];
        using (SharpnessMonitor monitor = new(objective, options))
        {
            Train(model, objective, 10, step =>
            {
                monitor.Observe(step);
                if (step == 4)
                {
                    state = monitor.StateDict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
                }

                Assert.Equal(1 + (step / 3), MonitorFile.Read(path).Count); // while the file is open
            });
        }

        File.AppendAllText(path, "{\"step\": 12, \"lo"); // a machine that stopped
        Assert.Equal([0, 3, 6, 9], MonitorFile.Read(path).Select(record => record.Step));
        using SharpnessMonitor resumed = new(objective, options);
        resumed.LoadStateDict(state);
        Assert.Equal(2, resumed.Observations);
        Assert.Null(resumed.Observe(5));
        MonitorRecord again = resumed.Observe(6)!;
        IReadOnlyList<MonitorRecord> read = MonitorFile.Read(path);
        Assert.Equal([0, 3, 6], read.Select(record => record.Step));
        Assert.Equal(
            (again.Loss, again.Sharpness, again.Alignment, again.BatchSharpness!.Value, again.CriticalSharpness, again.Products),
            (read[^1].Loss, read[^1].Sharpness, read[^1].Alignment, read[^1].BatchSharpness!.Value, read[^1].CriticalSharpness, read[^1].Products));
        Assert.True(double.IsNaN(read[^1].Trace!.StandardError)); // one probe
        Assert.All(File.ReadAllLines(path), line => Assert.EndsWith("}", line, StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_not_finite_is_missing_and_does_not_end_the_training()
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(3, ScalarType.Float64, device: Here));
        Objective objective = Objective.FromClosure(new Curvature.Tensors.ParameterSpace([("theta", theta)]), [1], _ => theta.square().sum().log(), terms: _ => 1);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions { Path = folder.File("m.jsonl"), Interval = 1 });
        Assert.NotNull(monitor.Observe(0)!.Sharpness);
        using (no_grad())
        {
            theta.mul_(double.PositiveInfinity);
        }

        MonitorRecord broken = monitor.Observe(1)!;
        Assert.Null(broken.Loss);
        Assert.Contains("theta", broken.Problem, StringComparison.Ordinal);
        Assert.Equal(broken.Problem, MonitorFile.Read(folder.File("m.jsonl"))[1].Problem);
    }

    [Fact]
    public void A_loss_without_slope_has_no_batch_sharpness_and_training_goes_on()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(3, ScalarType.Float64, device: Here));
        Objective flat = Objective.FromClosure(new Curvature.Tensors.ParameterSpace([("theta", theta)]), [1], _ => theta.square().sum().mul(0), terms: _ => 1);
        using SharpnessMonitor monitor = new(flat, new MonitorOptions { Batches = flat });
        MonitorRecord seen = monitor.Observe(0)!;
        Assert.Equal(0, seen.Sharpness!.Value);
        Assert.Null(seen.BatchSharpness);
        Assert.Contains("0/0", seen.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_sharpness_has_converged_beside_itself_and_not_beside_a_far_larger_negative_curvature()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor curvature = tensor([.. Enumerable.Range(1, 29).Select(i => -1000.0 / i), 1.0], device: Here);
        Parameter theta = new(ones(30, ScalarType.Float64, device: Here));
        Objective objective = Objective.FromClosure(new Curvature.Tensors.ParameterSpace([("theta", theta)]), [1], _ => theta.square().mul(curvature).sum().div(2), terms: _ => 1);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions { Interval = 1, MaxProducts = 12 });
        Eigenvalue found = monitor.Observe(0)!.Sharpness!;
        Assert.True(found.Converged);
        Assert.Equal(1, found.Value, 0.02);
    }

    [Fact]
    public void A_file_that_ends_in_something_else_stays_as_it_is()
    {
        using TemporaryFolder folder = new();
        foreach (string foreign in (string[])["notes without a line feed", "{\"loss\": 1", "\0\0notes"])
        {
            string path = folder.Write("foreign", foreign);
            Assert.Contains("line feed", Assert.Throws<CurvatureException>(() => new MonitorFile(path)).Message, StringComparison.Ordinal);
            Assert.Equal(foreign, File.ReadAllText(path));
        }

        foreach (string unfinished in (string[])["", "{\"st", "{\"step\":3,\"los", "\0\0\0\0\0\0\0\0\0\0", "{\"s\0\0"])
        {
            string path = folder.Write("unfinished", "{\"step\":1}\n" + unfinished);
            new MonitorFile(path).Dispose();
            Assert.Equal("{\"step\":1}\n", File.ReadAllText(path));
        }

        string surrogate = folder.Write("surrogate", "{\"step\":1,\"problem\":\"\\ud800\"}\n");
        Assert.Contains("line 1", Assert.Throws<CurvatureException>(() => MonitorFile.Read(surrogate)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_files_other_states_and_options_out_of_range_are_refused()
    {
        using TemporaryFolder folder = new();
        using DisposeScope scope = NewDisposeScope();
        (_, Objective objective, _) = Network();
        string other = folder.Write("other.jsonl", "{\"loss\": 1}\n");
        Assert.Contains("line 1", Assert.Throws<CurvatureException>(() => new SharpnessMonitor(objective, new MonitorOptions { Path = other })).Message, StringComparison.Ordinal);
        Assert.Equal("{\"loss\": 1}\n", File.ReadAllText(other));
        Assert.Throws<CurvatureException>(() => MonitorFile.Read(folder.File("none.jsonl")));
        Assert.Throws<CurvatureException>(() => new SharpnessMonitor(objective, new MonitorOptions { Interval = 0 }));
        Assert.Throws<CurvatureException>(() => new SharpnessMonitor(objective, new MonitorOptions { MaxOverhead = 0 }));
        using SharpnessMonitor monitor = new(objective);
        Assert.Contains("four counts", Assert.Throws<CurvatureException>(() => monitor.LoadStateDict(new Dictionary<string, Tensor> { ["vector"] = zeros(2, device: Here) })).Message, StringComparison.Ordinal);
    }

    private static void Train(nn.Module<Tensor, Tensor> model, Objective objective, int steps, Action<long> observe, double rate = 0.1)
    {
        for (int step = 0; step < steps; step++)
        {
            observe(step);
            if (step + 1 < steps)
            {
                using Tensor g = objective.Gradient(), theta = objective.Parameters.Snapshot();
                objective.Parameters.Assign(theta.sub_(g.mul(rate)));
            }
        }

        GC.KeepAlive(model);
    }

    private static (nn.Module<Tensor, Tensor> Model, Objective All, Objective Batches) Network()
    {
        manual_seed(2);
        nn.Module<Tensor, Tensor> model = nn.Sequential(nn.Linear(3, 5, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(5, 2, dtype: ScalarType.Float64)).to(Here);
        using Generator generator = new(7);
        Tensor x = empty([24, 3], ScalarType.Float64).normal_(0, 1, generator).to(Here), y = empty([24, 2], ScalarType.Float64).normal_(0, 1, generator).to(Here);
        Batch[] batches = [.. Enumerable.Range(0, 4).Select(i => new Batch(x.narrow(0, 6 * i, 6), y.narrow(0, 6 * i, 6)))];
        return (model, Objective.Supervised(model, new MeanSquaredError(), [new Batch(x, y)]), Objective.Supervised(model, new MeanSquaredError(), batches));
    }

    /// <summary>A clock that moves when it is told to.</summary>
    private sealed class Clock : TimeProvider
    {
        private double _now;

        public override long TimestampFrequency => 1_000_000;

        public void Advance(double seconds) => _now += seconds;

        public override long GetTimestamp() => (long)(_now * TimestampFrequency);
    }
}
