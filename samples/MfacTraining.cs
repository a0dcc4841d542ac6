using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Optimizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>The digits network trained from the same start, over the same batches, by AdamW and by M-FAC at its defaults, at the official code's and rescaled: the loss over all digits by steps and by seconds.</summary>
internal static class MfacTraining
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count - 1, seed: 1);
        using IDisposable held = NewDisposeScope();
        Batch[] batches = [.. digits.Batches(128)];
        int steps = options.Quick ? 20 : 300;
        Console.WriteLine($"{"",-24} loss over all digits after steps (seconds)");
        Report("AdamW, rate 0.03", model => optim.AdamW(model.parameters(), 0.03), digits, batches, steps, cancellation);
        Report("M-FAC", model => new MfacOptimizer(model.parameters()), digits, batches, steps, cancellation);
        Report("M-FAC, official", Official, digits, batches, steps, cancellation);
        Report("M-FAC, rescaled, rate 1", Rescaled, digits, batches, steps, cancellation);
    }

    private static MfacOptimizer Official(nn.Module<Tensor, Tensor> model)
    {
        #region official
        return new MfacOptimizer(model.parameters(), gradients: 1024, MfacOptimizerOptions.Official, new MfacWindowOptions());
        #endregion
    }

    private static MfacOptimizer Rescaled(nn.Module<Tensor, Tensor> model) => new(model.parameters(), options: new MfacOptimizerOptions { LearningRate = 1 }) { NormRescale = true };

    private static void Report(
        string name, Func<nn.Module<Tensor, Tensor>, optim.Optimizer> make, Dataset digits, Batch[] batches, int steps, CancellationToken cancellation)
    {
        manual_seed(0);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        using optim.Optimizer optimizer = make(model);
        List<string> points = [];
        double seconds = 0;
        for (int i = 1; i <= steps; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Batch batch = batches[i % batches.Length];
            long start = Stopwatch.GetTimestamp();
            #region mfac
            optimizer.zero_grad();
            Loss.Value(model.call(batch.Inputs), batch.Targets).backward();
            optimizer.step();
            #endregion
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (i % (steps / 5) == 0)
            {
                using IDisposable noGrad = no_grad();
                points.Add($"{i}: {Loss.Value(model.call(digits.Inputs), digits.Targets).ToDouble():F4} ({seconds:F2})");
            }
        }

        Console.WriteLine($"{name,-24} {string.Join("  ", points)}");
    }
}
