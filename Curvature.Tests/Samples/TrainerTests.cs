using Curvature.Data;
using Curvature.Optimizers;
using Curvature.Samples.Study;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Samples;

public sealed class TrainerTests
{
    private static readonly StudyProblem Problem = new("small", "Small", "small", BatchSize: 8, Steps: 30, Data, () => nn.Linear(4, 3));

    public static TheoryData<string> Names => [.. KnownContenders.All.Select(contender => contender.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Runs_repeat_start_alike_and_learn(string name)
    {
        Contender contender = KnownContenders.All.Single(contender => contender.Name == name);
        using StudyData data = Data();
        Trial first = Trainer.Run(Problem, data, contender, contender.Rate, seed: 1, Problem.Steps, default);
        Trial second = Trainer.Run(Problem, data, contender, contender.Rate, seed: 1, Problem.Steps, default);
        Trial adam = Trainer.Run(Problem, data, KnownContenders.All[0], contender.Rate, seed: 1, steps: 1, default);

        Assert.Equal(first.Losses, second.Losses);
        Assert.Equal(adam.Losses[0], first.Losses[0]);
        Assert.True(first.Final < first.Losses[0], $"{first.Final} after {first.Losses[0]}");
        Assert.Equal(26, first.Losses.Count);
        Assert.Equal(0, first.Skipped);
    }

    [Fact]
    public void Every_optimizer_of_the_catalogue_takes_part()
    {
        using nn.Module<Tensor, Tensor> model = Problem.Create();
        HashSet<Type> there = [];
        foreach (Contender contender in KnownContenders.All)
        {
            using OptimizerHelper optimizer = contender.Create(model, contender.Rate, 0);
            there.Add(optimizer.GetType());
        }

        Assert.Empty(KnownOptimizers.All.Select(known => known.Type).Except(there));
    }

    [Fact]
    public void A_run_that_diverges_is_cut_and_counts_as_infinite()
    {
        using StudyData data = Data();
        Contender sgd = KnownContenders.All.Single(contender => contender.Name == "SGD");
        StudyProblem deep = Problem with { Create = () => nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3)) };
        Trial trial = Trainer.Run(deep, data, sgd, 1e30, seed: 1, Problem.Steps, default);
        Assert.Contains(null, trial.Losses);
        Assert.Null(trial.Losses[^1]);
        Assert.NotNull(trial.Losses[0]);
        Assert.Equal(double.PositiveInfinity, trial.Final);
    }

    [Fact]
    public void The_schedule_climbs_to_one_and_falls_to_nothing()
    {
        double[] shares = [.. Enumerable.Range(0, 100).Select(step => Trainer.Schedule(step, 100))];
        Assert.Equal([0.2, 0.4, 0.6, 0.8, 1, 1], shares[..6]);
        Assert.Equal(shares[5..].OrderDescending(), shares[5..]);
        Assert.InRange(shares[^1], 1e-9, 1e-3);
    }

    [Fact]
    public void A_pass_takes_each_row_once_and_seeds_differ()
    {
        long[][] pass = [.. Trainer.Rows(20, 5, seed: 0).Take(4)];
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (long)i), pass.SelectMany(rows => rows).Order());
        Assert.NotEqual(pass[0], Trainer.Rows(20, 5, seed: 1).First());
        Assert.Equal(pass[0], Trainer.Rows(20, 5, seed: 0).First());
    }

    private static StudyData Data()
    {
        using Generator generator = new(1);
        using Tensor x = randn(64, 4, generator: generator), y = x[TensorIndex.Colon, ..3].argmax(1);
        Dataset Copy() => new(x.clone(), y.clone(), "small");
        return new StudyData(Copy(), Copy(), Copy());
    }
}
