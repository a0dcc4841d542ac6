using System.Diagnostics;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>A training that a monitor watches at its default interval, beside as many steps before and after without it: seconds with over seconds without.</summary>
internal static class MonitorSection
{
    private const int Watched = 4; // batches of the training's size that the monitor looks at

    public static void Run(BenchOptions options, TextWriter output)
    {
        output.WriteLine($"{"network",-12} {"threads",7} {"step ms",9} {"observation, in steps",22} {"observations",13} {"steps",7} {"with / without",15}");
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
        Workload workload = KnownWorkloads.Create(name, Watched);
        using AdamW adamW = optim.AdamW(workload.Model.parameters(), 1e-7);
        CrossEntropy loss = new();
        using SharpnessMonitor monitor = new(workload.Objective);
        double Time(int steps, bool watched)
        {
            long start = Stopwatch.GetTimestamp();
            for (int step = 0; step < steps; step++)
            {
                using DisposeScope scope = NewDisposeScope();
                adamW.zero_grad();
                loss.Value(workload.Model.call(workload.Batch.Inputs), workload.Batch.Targets).backward();
                adamW.step();
                if (watched)
                {
                    monitor.Observe(step);
                }
            }

            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        // Long enough for several observations: each takes tens of steps.
        double one = Time(10, watched: false) / 10;
        int steps = quick ? 20 : (int)Math.Max(1000, 20 / one);
        double before = Time(steps, watched: false), with = Time(steps, watched: true), after = Time(steps, watched: false), without = (before + after) / 2;
        double observation = (monitor.Overhead * (with / (1 + monitor.Overhead))) / monitor.Observations / (without / steps);
        output.WriteLine($"{name,-12} {threads,7} {1e3 * without / steps,9:F1} {observation,22:F0} {monitor.Observations,13} {steps,7} {with / without,14:F3}x");
    }
}
