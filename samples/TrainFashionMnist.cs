using Curvature.Checkpoints;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Trains a LeNet (61,706 parameters) on the 60,000 images of Fashion-MNIST and tests it on the other 10,000: about a minute on two
/// cores. The checkpoint is what <c>curvature report lenet-fashion.safetensors --model-type lenet</c> takes.
/// </summary>
internal static class TrainFashionMnist
{
    private const string Folder = "/usr/share/datasets/fashion-mnist";

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        if (!Directory.Exists(Folder))
        {
            throw new MissingDataException($"Fashion-MNIST is not in {Folder}; install Debian's package dataset-fashion-mnist.");
        }

        manual_seed(1);
        using Dataset train = Read("train", options.Quick ? 2000 : 60000);
        using Dataset test = Read("t10k", options.Quick ? 1000 : 10000);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
        Classification.Train(model, train, test, epochs: options.Quick ? 2 : 8, learningRate: 0.002, cancellation);
        double accuracy = Classification.Accuracy(model, test), expected = options.Quick ? 0.5 : 0.88;
        if (accuracy < expected)
        {
            throw new CurvatureException($"Test accuracy {accuracy:P1}; this network reaches at least {expected:P0}.");
        }

        Classification.Save(model, options, "lenet-fashion.safetensors");
    }

    /// <summary>A seeded choice of one of the two parts.</summary>
    private static Dataset Read(string part, long count)
    {
        using Dataset whole = DataFile.Read($"{Folder}/{part}-images-idx3-ubyte.gz,{Folder}/{part}-labels-idx1-ubyte.gz", new DataOptions { InputType = ScalarType.Float32 });
        return whole.Sample(count, seed: 1);
    }
}
