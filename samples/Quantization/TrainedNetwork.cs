using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Samples.Study;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Curvature.Samples.Quantization;

/// <summary>Trains the networks of the study, or takes those that were trained before: a network, a recipe and a seed have one file.</summary>
internal static class TrainedNetwork
{
    /// <summary>The trained network, in evaluation mode. The caller disposes it.</summary>
    /// <param name="network">What to train.</param>
    /// <param name="train">Its training data.</param>
    /// <param name="seed">Of initial weights and batches.</param>
    /// <param name="folder">Where files are; null: none is read or written.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    public static nn.Module<Tensor, Tensor> Get(StudyNetwork network, Dataset train, int seed, string? folder, CancellationToken cancellation)
    {
        string? path = folder is null ? null : Path.Combine(folder, $"{network.Name}-{network.Recipe}-s{seed}.safetensors");
        if (path is not null && File.Exists(path))
        {
            return (nn.Module<Tensor, Tensor>)Checkpoint.Load(path, network.Name).Module;
        }

        manual_seed(seed);
        nn.Module<Tensor, Tensor> model = network.Create();
        Train(network, model, train, seed, cancellation);
        if (path is not null)
        {
            Directory.CreateDirectory(folder!);
            SafetensorsFile.Write(path, model.state_dict().Select(entry => (entry.Key, entry.Value)));
        }

        return model;
    }

    private static void Train(StudyNetwork network, nn.Module<Tensor, Tensor> model, Dataset train, int seed, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        int epoch = (int)(train.Count / network.BatchSize), steps = network.Epochs * epoch;
        double loss = 0;
        using optim.Optimizer optimizer = optim.SGD(model.parameters(), network.Rate, momentum: 0.9, weight_decay: network.Decay, nesterov: true);
        using IEnumerator<long[]> rows = Trainer.Rows(train.Count, network.BatchSize, seed).GetEnumerator();
        model.train();
        for (int step = 0; step < steps; step++)
        {
            cancellation.ThrowIfCancellationRequested();
            rows.MoveNext();
            using DisposeScope scope = NewDisposeScope();
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
            {
                group.LearningRate = network.Rate * Trainer.Schedule(step, steps);
            }

            Tensor chosen = tensor(rows.Current);
            Tensor value = cross_entropy(model.call(train.Inputs.index_select(0, chosen)), train.Targets.index_select(0, chosen));
            optimizer.zero_grad();
            value.backward();
            optimizer.step();
            loss += value.ToDouble() / epoch;
            if ((step + 1) % epoch == 0)
            {
                Console.WriteLine($"{network.Name} seed {seed}, epoch {(step + 1) / epoch}/{network.Epochs}: training loss {loss:F4}, {Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s");
                loss = 0;
            }
        }

        model.eval();
    }
}
