using System.Diagnostics;
using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>
/// Makes one run: a warm-up in a straight line over the first twentieth of the steps, then a cosine to 0. Weights and batches depend on the seed alone, so that all optimizers start and go
/// through the same.
/// </summary>
internal static class Trainer
{
    private const int EvaluationRows = 256;

    public static Trial Run(StudyProblem problem, StudyData data, Contender contender, double rate, int seed, int steps, CancellationToken cancellation)
    {
        manual_seed(seed);
        using nn.Module<Tensor, Tensor> model = problem.Create();
        using TrialStep step = new(model, contender.Create(model, rate, seed));
        using IEnumerator<long[]> rows = Rows(data.Train.Count, problem.BatchSize, seed).GetEnumerator();
        int evaluations = Math.Min(StudyProblem.Evaluations, steps);
        double?[] losses = new double?[evaluations + 1];
        losses[0] = Evaluate(model, data.Evaluated).Loss;
        (double wall, TimeSpan cpu) = (0, TimeSpan.Zero);
        for (int i = 0, at = 1; i < steps && losses[at - 1] is not null; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            rows.MoveNext();
            using DisposeScope scope = NewDisposeScope();
            Tensor chosen = tensor(rows.Current);
            Batch batch = new(data.Train.Inputs.index_select(0, chosen), data.Train.Targets.index_select(0, chosen));
            step.Rate = rate * Schedule(i, steps);
            (long wallStart, TimeSpan cpuStart) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            step.Take(batch);
            wall += Stopwatch.GetElapsedTime(wallStart).TotalSeconds;
            cpu += Environment.CpuUsage.TotalTime - cpuStart;
            if (i + 1 == Trial.StepAt(at, steps, evaluations))
            {
                losses[at++] = Evaluate(model, data.Evaluated).Loss;
            }
        }

        (double? testLoss, double? testAccuracy) = losses[^1] is null ? (null, null) : Evaluate(model, data.Test);
        return new Trial
        {
            Problem = problem.Name,
            Optimizer = contender.Name,
            Settings = contender.Settings,
            Rate = rate,
            Seed = seed,
            Steps = steps,
            BatchSize = problem.BatchSize,
            Losses = losses,
            TestLoss = testLoss,
            TestAccuracy = testAccuracy,
            WallSeconds = Rounded(wall)!.Value,
            CpuSeconds = Rounded(cpu.TotalSeconds)!.Value,
            Skipped = step.Skipped,
        };
    }

    /// <summary>The share of the learning rate that a step takes.</summary>
    public static double Schedule(int step, int steps)
    {
        int warmUp = (steps + 19) / 20;
        return step < warmUp ? (step + 1.0) / warmUp : 0.5 * (1 + Math.Cos(Math.PI * (step - warmUp) / (steps - warmUp)));
    }

    /// <summary>The rows of each batch, one pass over the data after the other, each in an order of its own; what does not fill a batch is left out of a pass.</summary>
    public static IEnumerable<long[]> Rows(long count, int batchSize, int seed)
    {
        long[] order = [.. Enumerable.Range(0, (int)count).Select(i => (long)i)];
        Random random = new(seed);
        while (true)
        {
            random.Shuffle(order);
            for (int at = 0; at + batchSize <= order.Length; at += batchSize)
            {
                yield return order[at..(at + batchSize)];
            }
        }
    }

    private static (double? Loss, double? Accuracy) Evaluate(nn.Module<Tensor, Tensor> model, Dataset data)
    {
        using IDisposable noGrad = no_grad();
        (double loss, double right) = (0, 0);
        foreach (Batch batch in data.Batches(EvaluationRows))
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor outputs = model.call(batch.Inputs);
            double share = (double)batch.Inputs.shape[0] / data.Count;
            loss += share * TrialStep.Loss.Value(outputs, batch.Targets).ToDouble();
            right += share * (outputs.argmax(1) == batch.Targets).to(ScalarType.Float32).mean().ToDouble();
        }

        return (Rounded(loss), Rounded(right));
    }

    /// <summary>Six digits are more than seeds agree in; null where not finite.</summary>
    private static double? Rounded(double value) =>
        double.IsFinite(value) ? double.Parse(value.ToString("g6", System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture) : null;
}
