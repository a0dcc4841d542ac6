using System.Diagnostics;
using Curvature.Estimators;
using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// Hutchinson's trace by 64 probes over 16 batches, graphs kept within the default memory budget and probes sharing passes over the data, beside 64
/// Hessian-vector products over the same batches, each with fresh graphs. A sweep of the latter is timed after each of the trace's passes over the data, so
/// that what disturbs the machine disturbs both; their mean is multiplied.
/// </summary>
internal static class TraceSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        (int probes, int batches) = options.Quick ? (16, 2) : (64, 16);
        output.WriteLine($"{probes} probes, {batches} batches");
        output.WriteLine($"{"network",-12} {"threads",7} {"gradient s",12} {"one sweep s",14} {"trace s",10} {"trace / sweeps",15} {"gradients a probe",18} {"memory MiB",11}");
        foreach (string name in options.Workloads)
        {
            Workload workload = KnownWorkloads.Create(name, batches);
            using Tensor v = randn(workload.Objective.Parameters.Count);
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                Report(workload, v, threads, probes, output);
            }
        }
    }

    private static void Report(Workload workload, Tensor v, int threads, int probes, TextWriter output)
    {
        using HessianOperator fresh = new(workload.Objective, new CurvatureOptions { GraphMemory = 0 });
        Func<double> gradient = Timing.Of(() => workload.Objective.Gradient().Dispose());
        Func<double> sweep = Timing.Of(() => fresh.Apply(v).Dispose());
        gradient();
        sweep();

        List<double> gradients = [], sweeps = [];
        long memory = Environment.WorkingSet;
        double seconds = 0;
        using HessianOperator hessian = new(workload.Objective);
        Stopwatch watch = Stopwatch.StartNew();
        new HutchinsonTrace { MaxProbes = probes }.Estimate(hessian, progress: new AfterEachPass(() =>
        {
            seconds += watch.Elapsed.TotalSeconds;
            gradients.Add(gradient());
            sweeps.Add(sweep());
            watch.Restart();
        }));
        seconds += watch.Elapsed.TotalSeconds;
        memory = Environment.WorkingSet - memory;

        Timing one = new(sweeps), g = new(gradients);
        double gradientsAProbe = seconds / (probes * gradients.Average());
        output.WriteLine(
            $"{workload.Name,-12} {threads,7} {$"{g.Median:F2} ({g.Spread:P0})",12} {$"{one.Median:F2} ({one.Spread:P0})",14} {seconds,10:F1} {seconds / (probes * sweeps.Average()),15:F3} {gradientsAProbe,18:F2} {memory >> 20,11:N0}");
    }

    private sealed class AfterEachPass(Action action) : IProgress<ProductProgress>
    {
        public void Report(ProductProgress value) => action();
    }
}
