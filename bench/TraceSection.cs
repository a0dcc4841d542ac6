using Curvature.Estimators;
using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// Hutchinson's trace by 64 probes over 16 batches, graphs kept within the default memory budget and probes sharing passes over the data, beside 64
/// Hessian-vector products over the same batches, each with fresh graphs. The products alone are timed one sweep at a time, before
/// and after the trace, and multiplied.
/// </summary>
internal static class TraceSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        (int probes, int batches, int sweeps) = options.Quick ? (16, 2, 1) : (64, 16, 3);
        output.WriteLine($"{probes} probes, {batches} batches");
        output.WriteLine($"{"network",-12} {"threads",7} {"gradient s",12} {"one sweep s",14} {"trace s",10} {"trace / sweeps",15} {"gradients a probe",18} {"memory MiB",11}");
        foreach (string name in options.Workloads)
        {
            Workload workload = KnownWorkloads.Create(name, batches);
            using Tensor v = randn(workload.Objective.Parameters.Count);
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                Report(workload, v, threads, probes, sweeps, output);
            }
        }
    }

    private static void Report(Workload workload, Tensor v, int threads, int probes, int sweeps, TextWriter output)
    {
        using HessianOperator fresh = new(workload.Objective, new CurvatureOptions { GraphMemory = 0 });
        Func<double> gradient = Timing.Of(() => workload.Objective.Gradient().Dispose());
        Func<double> sweep = Timing.Of(() => fresh.Apply(v).Dispose());
        long memory = Environment.WorkingSet;
        Func<double> trace = Timing.Of(() =>
        {
            using HessianOperator hessian = new(workload.Objective);
            new HutchinsonTrace { MaxProbes = probes }.Estimate(hessian);
            memory = Environment.WorkingSet - memory;
        });

        gradient();
        sweep();
        List<double> gradients = [], fewSweeps = [];
        void TimeSweeps()
        {
            for (int i = 0; i < sweeps; i++)
            {
                gradients.Add(gradient());
                fewSweeps.Add(sweep());
            }
        }

        TimeSweeps();
        double seconds = trace();
        TimeSweeps();
        Timing one = new(fewSweeps), g = new(gradients);
        output.WriteLine(
            $"{workload.Name,-12} {threads,7} {$"{g.Median:F2} ({g.Spread:P0})",12} {$"{one.Median:F2} ({one.Spread:P0})",14} {seconds,10:F1} {seconds / (probes * one.Median),15:F3} {seconds / (probes * g.Median),18:F2} {memory >> 20,11:N0}");
    }
}
