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
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        manual_seed(1);
        using Dataset train = FashionMnist.Read("train", options.Quick ? 2000 : 60000);
        using Dataset test = FashionMnist.Read("t10k", options.Quick ? 1000 : 10000);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
        Classification.Train(model, train, test, epochs: options.Quick ? 2 : 8, learningRate: 0.002, cancellation);
        double accuracy = Classification.Accuracy(model, test), expected = options.Quick ? 0.5 : 0.88;
        if (accuracy < expected)
        {
            throw new CurvatureException($"Test accuracy {accuracy:P1}; this network reaches at least {expected:P0}.");
        }

        Classification.Save(model, options, "lenet-fashion.safetensors");
    }
}
