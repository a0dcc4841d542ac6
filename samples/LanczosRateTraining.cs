using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// SGD with momentum on the digits network, over batches of 512, with learning rate and momentum from the Gauss-Newton spectrum of 512 digits where the parameters are, refreshed every 30 steps, beside fixed ones.
/// </summary>
internal static class LanczosRateTraining
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(all.Count - 1, seed: 1);
        using IDisposable held = NewDisposeScope();
        int steps = options.Quick ? 10 : 150;
        foreach (double rate in new[] { 0.01, 0.03, 0.1, 0.3 })
        {
            Train($"fixed, rate {rate}, momentum 0.9", digits, steps, rate, 0.9, learned: false, cancellation);
        }

        Train("learned", digits, steps, 1, 0, learned: true, cancellation);
    }

    private static void Train(string name, Dataset digits, int steps, double rate, double momentum, bool learned, CancellationToken cancellation)
    {
        manual_seed(0);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        Batch[] batches = [.. digits.Batches(512)];
        using var optimizer = optim.SGD(model.parameters(), rate, momentum);
        #region scheduler
        var objective = Objective.Supervised(model, Loss, [batches[0]]);
        LanczosRateScheduler? scheduler = learned ? new(optimizer, () => new GgnOperator(objective)) : null;
        #endregion
        for (int i = 1; i <= steps; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Batch batch = batches[i % batches.Length];
            optimizer.zero_grad();
            Loss.Value(model.call(batch.Inputs), batch.Targets).backward();
            optimizer.step();
            scheduler?.step();
            if (scheduler is not null && i % 30 == 0)
            {
                Console.WriteLine($"  after step {i}: |ritz values| from {scheduler.Last.Smallest:G3} to {scheduler.Last.Largest:G3}, rate {scheduler.get_last_lr().First():G3}, momentum {optimizer.Momentum:F3}");
            }
        }

        using IDisposable noGrad = no_grad();
        Console.WriteLine($"{name,-34} loss {Loss.Value(model.call(digits.Inputs), digits.Targets).ToDouble():F4} after {steps} steps{(scheduler is null ? "" : $", {scheduler.Products} products")}");
    }
}
