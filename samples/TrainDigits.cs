using Curvature.Checkpoints;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Trains the 64-32-10 network on 1,437 of the 1,797 digits, chosen at random with a fixed seed, and tests it on the other 360.
/// <c>data/digits-mlp.safetensors</c> in the repository is what it writes.
/// </summary>
internal static class TrainDigits
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        manual_seed(1);
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Tensor order = randperm(digits.Count);
        using Dataset train = Rows(digits, order[..1437], "training digits");
        using Dataset test = Rows(digits, order[1437..], "test digits");

        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        Classification.Train(model, train, test, epochs: 40, learningRate: 0.005, cancellation);
        double accuracy = Classification.Accuracy(model, test);
        if (accuracy < 0.95)
        {
            throw new CurvatureException($"Test accuracy {accuracy:P1}; this network reaches at least 95 %.");
        }

        Classification.Save(model, options, "data/digits-mlp.safetensors");
    }

    private static Dataset Rows(Dataset data, Tensor rows, string name) =>
        new(data.Inputs.index_select(0, rows), data.Targets.index_select(0, rows), name);
}
