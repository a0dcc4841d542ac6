using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>KFAC's layers over ranks: each has its factors and inverses on one of them, which makes its directions.</summary>
public sealed class KfacRanksTests
{
    private const int Width = 6, Samples = 8;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Factors_and_inverses_of_a_layer_are_on_one_rank_an_nth_of_all_on_each(bool ekfac)
    {
        (string[] Names, long Entries) Held(IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            using KfacOptimizer optimizer = Trained(ranks, layers: 4, steps: 3, ekfac ? KfacSettings.Ekfac : new KfacSettings());
            (string Name, long Entries)[] held = [.. optimizer.state_dict().State.Cast<NamedState>().SelectMany((state, i) => state.Names.Where(name => name != "m" && (name.Contains('/') || name.StartsWith("inverse", StringComparison.Ordinal)))
                .Select(name => ($"{i} {name}", state.Find(name)!.numel())))];
            return ([.. held.Select(part => part.Name)], held.Sum(part => part.Entries));
        }

        const long A = (Width + 1) * (Width + 1), G = Width * Width, Rows = 1;
        (string[] names, long all) = Held(OneRank.Instance);
        Assert.Equal(4 * ((2 * (A + G)) + Rows + (ekfac ? Width * (Width + 1) : 0)), all);
        foreach (int count in (int[])[2, 4])
        {
            (string[] Names, long Entries)[] ranks = ThreadRanks.Run(count, Held);
            Assert.All(ranks, rank => Assert.Equal(all / count, rank.Entries));
            Assert.Equal(names.Order(), ranks.SelectMany(rank => rank.Names).Order()); // each of them once
        }
    }

    [Fact]
    public void A_step_sends_the_gradient_and_the_directions_an_update_the_factors_and_a_renewal_nothing()
    {
        const long Layer = (Width * Width) + Width, Factors = ((Width + 1) * (Width + 1)) + (Width * Width) + 1, P = 3 * Layer, Tensors = 6;
        (long[][] Sums, (long Size, int To)[] SumsTo)[] all = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            List<long[]> sums = [];
            List<(long, int)> to = [];
            using KfacOptimizer optimizer = Trained(ranks, layers: 3, steps: 4, new KfacSettings { FactorInterval = 2, InverseInterval = 4 }, () =>
            {
                sums.Add([.. ranks.Sums]);
                to = [.. ranks.SumsTo];
                ranks.Sums.Clear();
                ranks.SumsTo.Clear();
            });
            return (sums.ToArray(), to.ToArray());
        });
        Assert.All(all, rank =>
        {
            Assert.Equal([30, P + Tensors + 2, (2 * Layer) + 1, Layer + 1], rank.Sums[3]); // counters, the gradient, each rank's directions
            Assert.Equal([30, P + Tensors + 2, 10, 1, 2, (2 * Layer) + 1, Layer + 1], rank.Sums[2]); // with an update and a renewal: weights, whether the factors are finite, whether the inverses were made
            Assert.Empty(rank.SumsTo);
        });
        (long Size, int To)[][] updates = ThreadRanks.Run(2, ranks =>
        {
            using KfacOptimizer optimizer = Trained(ranks, layers: 3, steps: 1, new KfacSettings());
            return ranks.SumsTo.ToArray();
        });
        Assert.All(updates, rank => Assert.Equal([(2 * Factors, 0), (Factors, 1)], rank));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_rank_without_a_layer_trains_saves_and_goes_on(bool ekfac)
    {
        KfacSettings settings = (ekfac ? KfacSettings.Ekfac : new KfacSettings { Schedule = new LevenbergMarquardt { Interval = 2 } }) with { FactorInterval = 2, InverseInterval = 4 };
        double[] Train(IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            using MemoryStream file = new();
            using Linear model = Layers(1)[0];
            using (KfacOptimizer first = new(model, Rate, settings) { Ranks = ranks })
            {
                Steps(first, model, ranks, 0..3);
                first.save_state_dict(new BinaryWriter(file));
            }

            file.Position = 0;
            using KfacOptimizer optimizer = new(model, Rate, settings) { Ranks = ranks };
            optimizer.load_state_dict(new BinaryReader(file));
            Steps(optimizer, model, ranks, 3..6);
            return [.. OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(model)), optimizer.Damping];
        }

        double[] alone = Train(OneRank.Instance);
        double[][] all = ThreadRanks.Run(3, Train);
        Assert.All(all, rank => Assert.Equal(all[0], rank));
        Assert.True(RankBattery.Difference(alone, all[0]) < 1e-12);
    }

    [Fact]
    public void Factors_that_are_not_finite_on_the_one_rank_that_has_them_make_all_skip_the_step()
    {
        (long Skipped, double[] Before, double[] After)[] all = ThreadRanks.Run(2, ranks =>
        {
            using DisposeScope scope = NewDisposeScope();
            Linear[] layers = Layers(2);
            using Sequential model = nn.Sequential(("fc1", layers[0]), ("act", nn.Tanh()), ("fc2", layers[1]));
            model.to(ScalarType.Float32);
            using (no_grad())
            {
                layers[0].weight!.mul_(1e-25); // what it is given is 1e25: its gradients are finite, and the squares in A are not
            }

            using KfacOptimizer optimizer = new(model, Rate, new KfacSettings { Factors = new KfacOptions { Gradients = FactorGradients.Exact } }) { Ranks = ranks };
            Tensor x = Data(Samples).mul(1e25).to(ScalarType.Float32), y = Data(Samples).to(ScalarType.Float32);
            double[] before = OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(model));
            optimizer.Step(() => model.call(x), y, new MeanSquaredError());
            return (optimizer.SkippedSteps, before, OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(model)));
        });
        Assert.All(all, rank => Assert.Equal(1, rank.Skipped));
        Assert.All(all, rank => Assert.Equal(rank.Before, rank.After));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Parameters_that_are_frozen_stay_on_ranks_and_all_others_are_those_of_one_process(bool ekfac)
    {
        double[] Train(IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            Linear[] layers = Layers(3);
            using Sequential model = nn.Sequential(("fc1", layers[0]), ("act1", nn.Tanh()), ("fc2", layers[1]), ("act2", nn.Tanh()), ("fc3", layers[2]));
            layers[1].weight!.requires_grad = layers[1].bias!.requires_grad = layers[2].bias!.requires_grad = false;
            double[] frozen = OptimizerBattery.Numbers(layers[1].weight!);
            using KfacOptimizer optimizer = new(model, Rate, ekfac ? KfacSettings.Ekfac : null) { Ranks = ranks };
            Steps(optimizer, model, ranks, 0..4);
            Assert.Equal(BlockKind.Zero, optimizer.Registration.Parameters.Single(p => p.Name == "fc2.weight").Kind);
            Assert.Equal(frozen, OptimizerBattery.Numbers(layers[1].weight!));
            return OptimizerBattery.Numbers(OptimizerBattery.ParametersOf(model));
        }

        double[] alone = Train(OneRank.Instance);
        Assert.All(ThreadRanks.Run(2, Train), rank => Assert.True(RankBattery.Difference(alone, rank) < 1e-12));
    }

    private static KfacOptimizerOptions Rate => new() { LearningRate = 0.01 };

    /// <summary>Layers of one size, the same on every rank.</summary>
    private static Linear[] Layers(int count)
    {
        Linear[] layers = [.. Enumerable.Range(0, count).Select(_ => nn.Linear(Width, Width, dtype: ScalarType.Float64, device: Here))];
        using IDisposable noGrad = no_grad();
        foreach (Linear layer in layers)
        {
            layer.weight!.copy_(Data(Width)).mul_(0.5);
            layer.bias!.fill_(0.1);
        }

        return layers;
    }

    /// <summary>Rows that are the same wherever they are asked for.</summary>
    private static Tensor Data(int rows) => arange(rows * Width, dtype: ScalarType.Float64, device: Here).mul(0.7).sin().reshape(rows, Width);

    private static KfacOptimizer Trained(IRanks ranks, int layers, int steps, KfacSettings settings, Action? after = null)
    {
        List<(string, nn.Module<Tensor, Tensor>)> parts = [];
        foreach (Linear layer in Layers(layers))
        {
            parts.AddRange([($"fc{parts.Count}", layer), ($"act{parts.Count}", nn.Tanh())]);
        }

        Sequential model = nn.Sequential([.. parts]);
        KfacOptimizer optimizer = new(model, Rate, settings) { Ranks = ranks };
        Steps(optimizer, model, ranks, 0..steps, after);
        return optimizer;
    }

    private static void Steps(KfacOptimizer optimizer, nn.Module<Tensor, Tensor> model, IRanks ranks, Range steps, Action? after = null)
    {
        for (int t = steps.Start.Value; t < steps.End.Value; t++)
        {
            using DisposeScope scope = NewDisposeScope();
            (long first, long rows) = OptimizerBattery.Share(Samples, t, ranks);
            Tensor x = Data(Samples + t).narrow(0, first, rows), y = x.square().neg();
            optimizer.Step(rows > 0 ? [(() => model.call(x), y)] : [], new MeanSquaredError());
            after?.Invoke();
        }
    }
}
