using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Samples.Quantization;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Samples;

public sealed class QuantizationStudyTests
{
    private static readonly StudyNetwork Small = KnownStudyNetworks.Small with { Read = Digits };

    [Fact]
    public void A_study_of_the_digits_makes_every_plan_within_its_size_and_then_has_nothing_to_do()
    {
        QuantizationResults results = new();
        WeightGrid grid = WeightGrid.All[0];
        StudyNetwork network = Small;
        PlanRuns runs = new(network, seed: 0, grid, results, default);
        Assert.False(runs.AreMade);
        (Dataset train, Dataset test) = network.Read();
        using (train)
        using (test)
        using (Dataset calibration = train.Sample(64, seed: 0))
        using (nn.Module<Tensor, Tensor> model = TrainedNetwork.Get(network, train, seed: 0, folder: null, default))
        {
            Dictionary<string, Tensor> before = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.detach().clone());
            runs.Make(model, calibration, verification: train, test);
            Assert.All(model.state_dict(), entry => Assert.True(entry.Value.eq(before[entry.Key]).all().ToBoolean(), entry.Key));
        }

        Assert.True(runs.AreMade);
        Assert.False(new PlanRuns(network with { Epochs = 1 }, seed: 0, grid, results, default).AreMade);
        foreach (PlanKind kind in PlanKind.Of(grid))
        {
            PlanLine uniform = Assert.Single(results.Plans(network, kind, PlanRuns.Uniform));
            foreach (PlanMethod method in PlanMethod.All)
            {
                PlanLine plan = Assert.Single(results.Plans(network, kind, method.Name));
                Assert.True(Size(plan) <= Size(uniform));
                Assert.True(!kind.EndsAt8 || (plan.Bits["fc1"] == 8 && plan.Bits["fc4"] == 8));
            }
        }

        long Size(PlanLine plan) => network.Layers.Sum(layer => layer.Weights * plan.Bits[layer.Name]);
    }

    [Fact]
    public void A_network_is_trained_once()
    {
        using TemporaryFolder folder = new();
        StudyNetwork network = Small with { Name = "digits-mlp", Epochs = 1, Create = () => KnownNetworks.Create("digits-mlp") };
        (Dataset train, Dataset test) = network.Read();
        using (train)
        using (test)
        using (nn.Module<Tensor, Tensor> first = Get(0), second = Get(0), other = Get(1))
        {
            Assert.False(second.training);
            foreach ((string name, Tensor value) in first.state_dict())
            {
                Assert.True(value.eq(second.state_dict()[name]).all().ToBoolean(), name);
                Assert.False(value.eq(other.state_dict()[name]).all().ToBoolean(), name);
            }

            Assert.Equal(2, Directory.GetFiles(folder.File("networks")).Length);
        }

        nn.Module<Tensor, Tensor> Get(int seed) => TrainedNetwork.Get(network, train, seed, folder.File("networks"), default);
    }

    private static (Dataset Train, Dataset Test) Digits()
    {
        using Dataset digits = DataFile.Read(Repository.File("data/digits.csv.gz"), new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        return (digits.Sample(400, seed: 1), digits.Sample(200, seed: 2));
    }
}
