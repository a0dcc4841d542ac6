using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// What a monitor costs at its default interval: two epochs of a LeNet on the 60,000 images of Fashion-MNIST without one, with one, and without again, from the same start in the same order. The
/// network ends at the same bits each time, and it fails where the seconds of the processor are more than 10 % more with it.
/// </summary>
internal static class WatchedFashionMnist
{
    private const int BatchSize = 64, Watched = 512;
    private const double Most = 0.1;

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset train = FashionMnist.Read("train", options.Quick ? 1280 : 60_000);
        int epochs = options.Quick ? 1 : 6;
        if (!options.Quick)
        {
            using Dataset few = train.Sample(10 * BatchSize, seed: 3);
            Train(few, 1, watched: true, cancellation); // what is compiled and loaded at first use belongs to neither training
        }

        (double before, string plain, _) = Train(train, epochs, watched: false, cancellation);
        (double with, string same, (long observations, double overhead)) = Train(train, epochs, watched: true, cancellation);
        double without = options.Quick ? before : (before + Train(train, epochs, watched: false, cancellation).Seconds) / 2;
        Console.WriteLine(
            $"{epochs * ((train.Count + BatchSize - 1) / BatchSize):N0} steps in {without:F1} s of the processor, watched in {with:F1} s: {(with / without) - 1:P1} more; {observations} observations, {overhead:P1} of the time of the training by the monitor's own clock");
        if (plain != same)
        {
            throw new CurvatureException("Watched and unwatched trainings ended at different weights; a monitor leaves a training alone.");
        }

        if (!options.Quick && with > (1 + Most) * without)
        {
            throw new CurvatureException($"Watching took {(with / without) - 1:P1} of the training's time; the default is to stay below {Most:P0}. Is the machine busy?");
        }
    }

    private static (double Seconds, string Weights, (long, double) Monitor) Train(Dataset train, int epochs, bool watched, CancellationToken cancellation)
    {
        manual_seed(1);
        using DisposeScope scope = NewDisposeScope();
        using Dataset some = train.Sample(Watched, seed: 2);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
        using Adam adam = optim.Adam(model.parameters(), 0.002);
        CrossEntropy loss = new();
        using SharpnessMonitor? monitor = watched ? new SharpnessMonitor(Objective.Supervised(model, loss, some.Batches(Watched))) : null;
        TimeSpan start = Environment.CpuUsage.TotalTime;
        long step = 0;
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            foreach (Batch batch in train.Batches(BatchSize))
            {
                using DisposeScope inner = NewDisposeScope();
                adam.zero_grad();
                loss.Value(model.call(batch.Inputs), batch.Targets).backward();
                adam.step();
                monitor?.Observe(step++, cancellation);
                cancellation.ThrowIfCancellationRequested();
            }
        }

        double seconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;
        using Tensor weights = cat([.. model.parameters().Select(p => p.detach().reshape(-1))]);
        return (seconds, Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(weights.bytes)), monitor is null ? default : (monitor.Observations, monitor.Overhead));
    }
}
