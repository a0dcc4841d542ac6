using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Pruning;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// A LeNet on Fashion-MNIST, pruned to 90 % zeros without retraining, by Optimal Brain Surgeon and by magnitude: three seeds of training, test accuracy before and
/// after. About a quarter of an hour on two cores.
/// </summary>
internal static class ObsPruning
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset train = FashionMnist.Read("train", options.Quick ? 2000 : 60000), test = FashionMnist.Read("t10k", options.Quick ? 1000 : 10000);
        foreach (int seed in options.Quick ? (int[])[1] : [1, 2, 3])
        {
            manual_seed(seed);
            using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
            Classification.Train(model, train, test, epochs: options.Quick ? 1 : 4, learningRate: 0.002, cancellation);
            Dictionary<string, Tensor> trained = model.state_dict().ToDictionary(entry => entry.Key, entry => entry.Value.clone());
            double before = Classification.Accuracy(model, test);

            #region prune
            using Dataset seen = train.Sample(options.Quick ? 512 : 8192, seed);
            var objective = Objective.Supervised(model, new CrossEntropy(), seen.Batches(16)); // a gradient a batch
            using PruningResult pruned = new ObsPruner
            {
                Sparsity = 0.9,
                Steps = options.Quick ? 2 : 16,
                Matrix = new MfacOptions { Damping = 1e-5 },
            }.Prune(objective, cancellation: cancellation);
            #endregion

            double obs = Classification.Accuracy(model, test);
            model.load_state_dict(trained);
            using PruningResult simple = new MagnitudePruner { Sparsity = 0.9 }.Prune(objective, cancellation: cancellation);
            double magnitude = Classification.Accuracy(model, test);
            Console.WriteLine(
                $"seed {seed}: test accuracy {before:P2}; with {pruned.Sparsity:P1} of {pruned.Prunable:N0} weights zero {obs:P2} by OBS, {magnitude:P2} by magnitude");
            foreach (Tensor tensor in trained.Values)
            {
                tensor.Dispose();
            }
        }
    }
}
