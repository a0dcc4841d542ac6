using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// A training that a monitor watches at its default interval, beside as many steps without it, half before and half after: processor seconds with over those without, since the run is too long to be repeated in turns on a machine that others use. The monitor looks at as many samples as a step has. Its first observation,
/// which is made before, is given in steps.
/// </summary>
internal static class MonitorSection
{
    private const double Observations = 2.5; // to be made while it is timed

    public static void Run(BenchOptions options, TextWriter output)
    {
        output.WriteLine($"{"network",-12} {"threads",7} {"step ms",9} {"first, in steps",16} {"others, in steps",17} {"others",7} {"steps",7} {"with / without",15}");
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
        using AdamW adamW = optim.AdamW(workload.Model.parameters(), 1e-7);
        CrossEntropy loss = new();
        double Time(int steps, SharpnessMonitor? monitor = null)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            for (int step = 0; step < steps; step++)
            {
                using DisposeScope scope = NewDisposeScope();
                adamW.zero_grad();
                loss.Value(workload.Model.call(workload.Batch.Inputs), workload.Batch.Targets).backward();
                adamW.step();
                monitor?.Observe(step);
            }

            return (Environment.CpuUsage.TotalTime - start).TotalSeconds;
        }

        Time(3);
        double one = Time(quick ? 1 : 10) / (quick ? 1 : 10), guess;
        using (SharpnessMonitor warm = new(workload.Objective))
        {
            guess = Time(1, warm) - one;
        }

        int steps = quick ? 3 : (int)Math.Clamp(Observations * guess / 3 / one / new MonitorOptions().MaxOverhead, 200, 20_000);
        double before = Time((steps + 1) / 2);
        using SharpnessMonitor monitor = new(workload.Objective);
        double first = Time(1, monitor) - one, with = Time(steps, monitor), after = Time((steps + 1) / 2);
        double without = (before + after) / (2 * ((steps + 1) / 2)), others = monitor.Observations - 1;
        string each = others > 0 ? $"{(with - (steps * without)) / others / without:F0}" : "none";
        output.WriteLine($"{name,-12} {threads,7} {1e3 * without,9:F1} {first / without,16:F0} {each,17} {others,7} {steps,7} {with / (steps * without),14:F3}x");
    }
}
