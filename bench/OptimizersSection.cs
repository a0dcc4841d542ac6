using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// Time of a step, forward and backward passes in it, as a multiple of an AdamW step on the same network and batch: the mean over a whole update interval, so that refreshes count with their share.
/// Beside them a Hessian-vector product with a graph made for it, the same networks and unit; and what an M-FAC step over 64 gradients takes beyond forward and backward passes, in units of two plain passes
/// (<c>mv</c>) over as many entries.
/// </summary>
internal static class OptimizersSection
{
    private const int Gradients = 64;
    private static readonly CrossEntropy Loss = new();

    public static void Run(BenchOptions options, TextWriter output)
    {
        output.WriteLine(
            $"{"network",-12} {"threads",7} {"AdamW ms",14} {"fresh HVP",12} {"AdaHessian",12} {"interval 5",12} {"Sophia-G",12} {"Sophia-H",12} {"H, batch/8",12} {"M-FAC 64",12} {"/ 2 passes",12} {"KFAC",12} {"blocks, 128",12} {"MKOR",12}   (medians; spread = interquartile range / median)");
        foreach (string name in options.Workloads)
        {
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                Report(name, threads, options.Quick, output);
            }
        }
    }

    private static void Report(string name, int threads, bool quick, TextWriter output)
    {
        using IDisposable held = NewDisposeScope();
        Workload workload = KnownWorkloads.Create(name);
        Parameter[] parameters = [.. workload.Model.parameters()];
        (Tensor x, Tensor y) = (workload.Batch.Inputs, workload.Batch.Targets);
        (Tensor fewX, Tensor fewY) = (x[..(int)(x.shape[0] / 8)], y[..(int)(x.shape[0] / 8)]);
        Tensor v = randn(workload.Objective.Parameters.Count);

        // Rates so small that the networks stay what they are.
        const double Rate = 1e-7;
        using HessianOperator hessian = new(workload.Objective, new CurvatureOptions { GraphMemory = 0 });
        using AdamW adamW = optim.AdamW(parameters, Rate);
        using AdaHessian each = new(parameters, new AdaHessianOptions { LearningRate = Rate }), fifth = new(parameters, new AdaHessianOptions { LearningRate = Rate }) { UpdateInterval = 5 };
        using SophiaG sophiaG = new(parameters, new SophiaOptions { LearningRate = Rate });
        using SophiaH sophiaH = new(parameters, new SophiaOptions { LearningRate = Rate }), part = new(parameters, new SophiaOptions { LearningRate = Rate });
        using MfacOptimizer mfac = new(parameters, Gradients, new MfacOptimizerOptions { LearningRate = Rate });
        Tensor window = randn(Gradients, workload.Objective.Parameters.Count), weights = randn(Gradients), rows = window.t();
        using KfacOptimizer kfac = new(workload.Model, new KfacOptimizerOptions { LearningRate = Rate }, new KfacSettings { InverseInterval = int.MaxValue });
        using KfacOptimizer blocked = new(workload.Model, new KfacOptimizerOptions { LearningRate = Rate }, new KfacSettings { InverseInterval = int.MaxValue, LargestBlock = 128 });
        using KfacOptimizer renewing = new(workload.Model, new KfacOptimizerOptions { LearningRate = Rate }, new KfacSettings { InverseInterval = 1 });
        using MkorOptimizer mkor = new(workload.Model, new MkorOptimizerOptions { LearningRate = Rate });
        Tensor Value(Tensor inputs, Tensor targets) => Loss.Value(workload.Model.call(inputs), targets);
        void Each(int steps, Action step)
        {
            for (int i = 0; i < steps; i++)
            {
                using DisposeScope scope = NewDisposeScope();
                step();
            }
        }

        Value(x, y).backward();
        Each(Gradients, () => mfac.step()); // a full window
        Timing[] timings = Timing.Interleaved(
            quick,
            Timing.Of(() => Each(1, () =>
            {
                adamW.zero_grad();
                Value(x, y).backward();
                adamW.step();
            })),
            Timing.Of(() => hessian.Apply(v).Dispose()),
            Timing.Of(() => Each(1, () => each.Step(() => Value(x, y)))),
            Timing.Of(() => Each(5, () => fifth.Step(() => Value(x, y)))),
            Timing.Of(() => Each(10, () => sophiaG.Step(() => workload.Model.call(x), y, Loss))),
            Timing.Of(() => Each(10, () => sophiaH.Step(() => Value(x, y)))),
            Timing.Of(() => Each(10, () => part.Step(() => Value(x, y), () => Value(fewX, fewY)))),
            Timing.Of(() => Each(1, () =>
            {
                mfac.zero_grad();
                Value(x, y).backward();
                mfac.step();
            })),
            Timing.Of(() => Each(1, () =>
            {
                mfac.zero_grad();
                Value(x, y).backward();
            })),
            Timing.Of(() => Each(1, () =>
            {
                window.mv(v);
                rows.mv(weights);
            })),
            Timing.Of(() => Each(10, () => kfac.Step(() => workload.Model.call(x), y, Loss))),
            Timing.Of(() => Each(10, () => renewing.Step(() => workload.Model.call(x), y, Loss))),
            Timing.Of(() => Each(10, () => mkor.Step(() => Value(x, y)))),
            Timing.Of(() => Each(10, () => blocked.Step(() => workload.Model.call(x), y, Loss))));
        string passes = timings[7].Beyond(timings[8]).In(timings[9]);

        // A renewal of the inverses is what ten steps with one each take longer; every hundredth step has one.
        Timing tenSteps = new([.. timings[10].Rounds.Zip(timings[11].Rounds, (without, with) => without + ((with - without) / 100))]);
        string kfacRatio = tenSteps.In(timings[0], 10);
        string Ratio(int i, int steps) => timings[i].In(timings[0], steps);
        output.WriteLine(
            $"{name,-12} {threads,7} {$"{timings[0].Median * 1e3:F1} ({timings[0].Spread:P0})",14} {Ratio(1, 1),12} {Ratio(2, 1),12} {Ratio(3, 5),12} {Ratio(4, 10),12} {Ratio(5, 10),12} {Ratio(6, 10),12} {Ratio(7, 1),12} {passes,12} {kfacRatio,12} {Ratio(13, 10),12} {Ratio(12, 10),12}");
    }
}
