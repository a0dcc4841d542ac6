using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Distributed;
using Curvature.Objectives;
using Curvature.Optimizers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// KFAC trains the digits network, in one process or over the ranks of mpirun, each of which evaluates its rows of every batch: the steps are the same.
/// <c>mpirun -n 3 artifacts/standin/bin/Curvature.Samples/release/Curvature.Samples data-parallel-training</c>
/// </summary>
internal static class DataParallelTraining
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        int steps = options.Quick ? 20 : 100;

        #region training
        int code = Communicator.Run(ranks =>
        {
            using var digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
            manual_seed(0); // one start for all
            using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
            using KfacOptimizer optimizer = new(model, new KfacOptimizerOptions { LearningRate = 0.1 }, new KfacSettings { Damping = 0.01, KlClip = 0.01 }) { Ranks = ranks };
            IReadOnlyList<Batch> batches = digits.Batches(128);
            for (int i = 1; i <= steps; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope scope = NewDisposeScope();
                Batch own = Shard.Of(batches[i % batches.Count], ranks);
                double loss = optimizer.Step(() => model.call(own.Inputs), own.Targets, Loss).ToDouble(); // of the whole batch, on every rank
                if (ranks.Rank == 0 && i % (steps / 5) == 0)
                {
                    Console.WriteLine($"step {i,3} on {ranks.Count} {(ranks.Count == 1 ? "rank" : "ranks")}: loss {loss:F4}");
                }
            }

            if (options.Out is { } file)
            {
                Save(optimizer, file, ranks);
            }

            return 0;
        });
        #endregion
        if (code != 0)
        {
            throw new CurvatureException($"The ranks ended with the code {code}.");
        }
    }

    #region saving
    /// <summary>Every rank calls; rank 0 writes the file.</summary>
    private static void Save(OptimizerHelper optimizer, string file, IRanks ranks)
    {
        using Stream stream = ranks.Rank == 0 ? File.Create(file) : Stream.Null;
        using BinaryWriter writer = new(stream);
        optimizer.save_state_dict(writer);
    }
    #endregion
}
