using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Optimizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The digits network trained from the same start, over the same batches, by AdamW, AdaHessian and Sophia-G: the loss over all digits by steps and by seconds. Learning rates are the best of four tried
/// for each, at its 300th step.
/// </summary>
internal static class DiagonalOptimizers
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 0);
        using IDisposable held = NewDisposeScope();
        Batch[] batches = [.. digits.Batches(128)];
        int steps = options.Quick ? 20 : 300;
        Console.WriteLine($"{"",-12} {"rate",6}  loss over all digits after steps (seconds)");
        Report("AdamW", [0.003, 0.01, 0.03, 0.1], digits, batches, steps, AdamW, cancellation);
        Report("AdaHessian", [0.03, 0.1, 0.3, 1], digits, batches, steps, AdaHessian, cancellation);
        Report("Sophia-G", [0.001, 0.003, 0.01, 0.03], digits, batches, steps, SophiaG, cancellation);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) AdamW(nn.Module<Tensor, Tensor> model, double rate)
    {
        optim.Optimizer optimizer = optim.AdamW(model.parameters(), rate);
        void Step(Batch batch)
        {
            optimizer.zero_grad();
            Loss.Value(model.call(batch.Inputs), batch.Targets).backward();
            optimizer.step();
        }

        return (optimizer, Step);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) AdaHessian(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region adahessian
        AdaHessian optimizer = new(model.parameters(), new AdaHessianOptions { LearningRate = rate }) { UpdateInterval = 2 };
        void Step(Batch batch) => optimizer.step(() => Loss.Value(model.call(batch.Inputs), batch.Targets));
        #endregion
        return (optimizer, Step);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) SophiaG(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region sophia
        SophiaG optimizer = new(model.parameters(), new SophiaOptions { LearningRate = rate, WeightDecay = 0.01 });
        void Step(Batch batch) => optimizer.Step(() => model.call(batch.Inputs), batch.Targets, Loss);
        #endregion
        return (optimizer, Step);
    }

    private static void Report(
        string name, double[] rates, Dataset digits, Batch[] batches, int steps, Func<nn.Module<Tensor, Tensor>, double, (IDisposable, Action<Batch>)> make, CancellationToken cancellation)
    {
        (double Rate, List<(int Step, double Loss, double Seconds)> Points) best = rates
            .Select(rate => (rate, Train(digits, batches, steps, model => make(model, rate), cancellation)))
            .MinBy(run => run.Item2[^1].Loss is var last && double.IsFinite(last) ? last : double.MaxValue);
        Console.WriteLine($"{name,-12} {best.Rate,6}  {string.Join("  ", best.Points.Select(p => $"{p.Step}: {p.Loss:F4} ({p.Seconds:F2})"))}");
    }

    private static List<(int Step, double Loss, double Seconds)> Train(
        Dataset digits, Batch[] batches, int steps, Func<nn.Module<Tensor, Tensor>, (IDisposable, Action<Batch>)> make, CancellationToken cancellation)
    {
        manual_seed(0);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        (IDisposable optimizer, Action<Batch> step) = make(model);
        List<(int Step, double Loss, double Seconds)> points = [];
        double seconds = 0;
        for (int i = 1; i <= steps; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            long start = Stopwatch.GetTimestamp();
            step(batches[i % batches.Length]);
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (i % (steps / 5) == 0)
            {
                using IDisposable noGrad = no_grad();
                points.Add((i, Loss.Value(model.call(digits.Inputs), digits.Targets).ToDouble(), seconds));
            }
        }

        optimizer.Dispose();
        return points;
    }
}
