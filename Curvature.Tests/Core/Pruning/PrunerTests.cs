using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Pruning;
using Curvature.Tests.Distributed;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static Curvature.Tests.Core.MatrixFree.MfacInverseTests;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Pruning;

public sealed class PrunerTests
{
    public static TheoryData<string> Names => [.. KnownPruners.Names];

    [Theory]
    [InlineData(PruningUpdate.Joint)]
    [InlineData(PruningUpdate.Independent)]
    public void Ranks_prune_alike_and_as_one_process_does(PruningUpdate update)
    {
        using DisposeScope scope = NewDisposeScope();
        ObsPruner pruner = new() { Sparsity = 0.6, Steps = 3, Update = update, Matrix = new MfacOptions { Damping = 1e-2 } };
        Problem[] problems = [.. Enumerable.Range(0, 4).Select(_ => Problems.Create("tanh-mlp cross-entropy"))];
        using PruningResult alone = pruner.Prune(problems[3].Objective(2, 1, 1, 3));
        double[] expected = [.. problems[3].Parameters.Snapshot().cpu().data<double>(), .. alone.Steps.Select(step => step.PredictedIncrease ?? 0)];
        double[][] got = ThreadRanks.Run(3, ranks =>
        {
            Problem problem = problems[ranks.Rank];
            using PruningResult result = pruner.Prune(Objective.Supervised(problem.Model, problem.Loss, [.. RankBattery.Shard(problem.Batches(2, 1, 1, 3), ranks)], problem.Parameters, ranks: ranks));
            return (double[])[.. problem.Parameters.Snapshot().cpu().data<double>(), .. result.Steps.Select(step => step.PredictedIncrease ?? 0)];
        });
        Assert.All(got, rank => Assert.Equal(got[0], rank));
        Assert.InRange(RankBattery.Difference(expected, got[0]), 0, 1e-9);
        Exception?[] errors = ThreadRanks.Try(2, ranks => (pruner with { Sparsity = 0.8, Gradients = 2 }).Prune(Objective.Supervised(problems[ranks.Rank].Model, problems[0].Loss, problems[0].Batches(2, 1, 1, 3), problems[ranks.Rank].Parameters, ranks: ranks))).Errors;
        Assert.All(errors, error => Assert.Contains("leave Gradients and BlockSize out", error!.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(PruningUpdate.Joint)]
    [InlineData(PruningUpdate.Independent)]
    [InlineData(PruningUpdate.None)]
    public void A_whole_schedule_equals_the_dense_formulas(PruningUpdate update)
    {
        using DisposeScope scope = NewDisposeScope();
        const double Lambda = 1e-2;
        Problem problem = Problems.Create("tanh-mlp cross-entropy"), twin = Problems.Create("tanh-mlp cross-entropy");
        Objective objective = problem.Objective(1, 1, 1, 1, 1, 1, 1);
        ObsPruner pruner = new() { Sparsity = 0.6, Steps = 3, Update = update, Matrix = new MfacOptions { Damping = Lambda } };
        using PruningResult result = pruner.Prune(objective);

        Tensor prunable = cat([.. twin.Parameters.Parameters.Select(p => full(p.numel(), p.dim() >= 2 ? 1 : 0, device: Here))]).ne(0);
        Tensor gone = zeros(prunable.shape[0], ScalarType.Bool, device: Here), w = twin.Parameters.Snapshot();
        double density = 1, increase = 0;
        foreach (int step in (int[])[1, 2, 3])
        {
            density *= Math.Pow(0.4, 1.0 / 3);
            Tensor F = DenseCurvature.GradientCovariance(twin, 1, 1, 1, 1, 1, 1, 1), alive = gone.logical_not().to(ScalarType.Float64);
            Tensor inverse = linalg.inv(F.mul(alive.outer(alive)).add(eye(w.shape[0], dtype: ScalarType.Float64, device: Here).mul(Lambda)));
            double[] scores = w.square().div(inverse.diagonal().mul(2)).masked_fill(gone, double.NegativeInfinity).masked_fill(prunable.logical_not(), double.PositiveInfinity).cpu().data<double>().ToArray();
            long[] chosen = [.. Enumerable.Range(0, scores.Length).OrderBy(i => scores[i]).Take((int)Math.Round((1 - density) * prunable.sum().ToInt64())).Select(i => (long)i)];
            gone = EliminationTests.MaskOf(tensor(chosen, device: Here), w.shape[0]);
            Tensor Q = gone.nonzero().squeeze(1), columns = inverse.index_select(1, Q), wQ = w.index_select(0, Q);
            Tensor a = linalg.solve(columns.index_select(0, Q), wQ.unsqueeze(1)).squeeze(1);
            increase += wQ.dot(a).ToDouble() / 2;
            Tensor change = update switch
            {
                PruningUpdate.Joint => columns.mv(a).neg(),
                PruningUpdate.Independent => columns.mv(wQ.div(inverse.diagonal().index_select(0, Q))).neg().mul(alive),
                _ => zeros_like(w),
            };
            w = w.add(change).masked_fill(gone, 0);
            using IDisposable noGrad = no_grad();
            foreach ((Tensor parameter, Tensor part) in twin.Parameters.Parameters.Zip(twin.Parameters.Split(w)))
            {
                parameter.copy_(part);
            }
        }

        Assert.True(gone.Equals(result.Mask));
        AssertClose(w, problem.Parameters.Snapshot(), 1e-8);
        if (update == PruningUpdate.Joint)
        {
            Assert.Equal(increase, result.Steps.Sum(step => step.PredictedIncrease!.Value), 1e-8 * increase);
        }
    }

    [Fact]
    public void On_digits_without_retraining_the_second_order_beats_magnitude()
    {
        (double before, _) = Pruned(null);
        (double magnitude, double byMagnitude) = Pruned(new MagnitudePruner { Sparsity = 0.8 });
        (double obs, double byObs) = Pruned(new ObsPruner { Sparsity = 0.8, Steps = 8, Matrix = new MfacOptions { Damping = 1e-4 } });
        Assert.Equal((0.8, 0.8), (Math.Round(byMagnitude, 3), Math.Round(byObs, 3)));
        Assert.True(before < obs && obs < 0.5 * magnitude, $"loss {before:g3} before, {magnitude:g3} by magnitude, {obs:g3} by OBS");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_gone_stays_gone_and_biases_stay(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm");
        Objective objective = problem.Objective(1, 1, 1, 1, 1, 1, 1);
        Tensor first;
        using (PruningResult half = KnownPruners.Create(name, 0.5).Prune(objective))
        {
            Assert.Equal([("fc1.weight", 20L), ("fc2.weight", 15L)], half.Layers.Select(layer => (layer.Name, layer.Weights)));
            Assert.Equal((18, 35), (half.Pruned, half.Prunable));
            first = half.Mask.clone();
        }

        Assert.Contains("51.43 % of the weights are zero already", Assert.Throws<CurvatureException>(() => KnownPruners.Create(name, 0.5).Prune(objective)).Message, StringComparison.Ordinal);
        using PruningResult more = KnownPruners.Create(name, 0.8).Prune(objective);
        Tensor zero = problem.Parameters.Snapshot().eq(zeros(1, ScalarType.Float64, device: Here));
        Assert.Equal(0, first.mul(more.Mask.logical_not()).sum().ToInt64());
        Assert.Equal(28, more.Mask.sum().ToInt64());
        Assert.True(more.Mask.mul(zero).Equals(more.Mask));
        Assert.Equal(28, more.Layers.Sum(layer => layer.Pruned));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Cancellation_and_errors_leave_the_weights_as_they_were(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        Tensor before = problem.Parameters.Snapshot();
        Objective objective = problem.Objective(3, 1, 3);
        using CancellationTokenSource source = new();
        StopAfterOne stopAfterOne = new(source);
        if (name == "obs")
        {
            Assert.ThrowsAny<OperationCanceledException>(() => KnownPruners.Create(name, 0.5).Prune(objective, stopAfterOne, source.Token));
            Assert.True(before.Equals(problem.Parameters.Snapshot()));
        }

        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => KnownPruners.Create(name, 0.5).Prune(objective, null, source.Token));
        foreach (double sparsity in (double[])[0, 1, -0.5, double.NaN])
        {
            Assert.Contains("share of weights", Assert.Throws<CurvatureException>(() => KnownPruners.Create(name, sparsity).Prune(objective)).Message, StringComparison.Ordinal);
        }

        Objective biases = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(), Curvature.Tensors.ParameterSpace.Of(problem.Model, "*.bias"));
        Assert.Contains("nothing to prune", Assert.Throws<CurvatureException>(() => KnownPruners.Create(name, 0.5).Prune(biases)).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => new ObsPruner { Gradients = 4 }.Prune(objective));
        Assert.Throws<CurvatureException>(() => new ObsPruner { Steps = 0 }.Prune(objective));
        Assert.Throws<CurvatureException>(() => new ObsPruner { Matrix = new MfacOptions { Damping = -1 } }.Prune(objective));
        Assert.True(before.Equals(problem.Parameters.Snapshot()));
    }

    [Fact]
    public void Every_step_of_a_schedule_keeps_the_same_share_of_what_is_left()
    {
        IReadOnlyList<double> s = PruningSchedule.Geometric(0.2, 0.95, 5);
        Assert.Equal((5, 0.95), (s.Count, s[^1]));
        double[] shares = [.. s.Prepend(0.2).Zip(s, (a, b) => (1 - b) / (1 - a))];
        Assert.All(shares, share => Assert.Equal(shares[0], share, 1e-12));
        Assert.Throws<CurvatureException>(() => PruningSchedule.Geometric(0.5, 0.5, 3));
        Assert.Throws<CurvatureException>(() => KnownPruners.Create("obd", 0.5));
    }

    [Fact]
    public void Every_pruner_is_in_the_catalogue() => Assert.Equal(
        typeof(IPruner).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(IPruner)) && !t.IsInterface).OrderBy(t => t.Name),
        KnownPruners.Names.Select(name => KnownPruners.Create(name, 0.5).GetType()).OrderBy(t => t.Name));

    private sealed class StopAfterOne(CancellationTokenSource source) : IProgress<PruningProgress>
    {
        public void Report(PruningProgress value) => source.Cancel();
    }

    /// <summary>Loss and sparsity of the digits network after pruning.</summary>
    private static (double Loss, double Sparsity) Pruned(IPruner? pruner)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset digits = DataFile.Read(Repository.File("data/digits.csv.gz"), new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load(Repository.File("data/digits-mlp.safetensors"), "digits-mlp", device: Here);
        using PruningResult? result = pruner?.Prune(Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(8)));
        return (Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(500)).Value(), result?.Sparsity ?? 0);
    }
}
