using System.Diagnostics;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// A training that a monitor watches at its default interval, and as many steps without it, in turns: processor seconds with over those without. The monitor looks at as many samples as a step has, by a clock that stands still in the other's turns.
/// Its first observation, which is made before, is given in steps.
/// </summary>
internal static class MonitorSection
{
    private const double Firsts = 5; // what fits into the overhead of the steps that are timed: the first and some two or three longer ones
    private const int Turns = 20;

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
        double one = Time(quick ? 1 : 10) / (quick ? 1 : 10), guess = 0;
        for (int look = 0; look < 2; look++) // the first one loads and compiles what is used
        {
            using SharpnessMonitor warm = new(workload.Objective);
            guess = Time(1, warm) - one;
        }

        int steps = quick ? 3 : (int)Math.Clamp(Firsts * guess / one / new MonitorOptions().MaxOverhead, 200, 20_000), turn = Math.Max(1, steps / Turns), made = 0;
        Stopwatch turns = Stopwatch.StartNew();
        using SharpnessMonitor monitor = new(workload.Objective, new MonitorOptions { Time = new RunningTime(turns) });
        double first = Time(1, monitor) - one, with = first, without = 0;
        for (; made < steps; made += turn)
        {
            turns.Stop();
            without += Time(turn);
            turns.Start();
            with += Time(turn, monitor);
        }

        double others = monitor.Observations - 1;
        without /= made;
        string each = others > 0 ? $"{(with - first - (made * without)) / others / without:F0}" : "none";
        output.WriteLine($"{name,-12} {threads,7} {1e3 * without,9:F1} {first / without,16:F0} {each,17} {others,7} {made,7} {with / (made * without),14:F3}x");
    }

    private sealed class RunningTime(Stopwatch turns) : TimeProvider
    {
        public override long TimestampFrequency => Stopwatch.Frequency;

        public override long GetTimestamp() => turns.ElapsedTicks;
    }
}
