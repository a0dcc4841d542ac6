using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// Products with the Hessian (HVP) and the generalised Gauss-Newton matrix (GGN), with graphs made for them and on graphs kept from the product
/// before, through <see cref="HessianOperator"/> and <see cref="GgnOperator"/>, as multiples of one gradient (forward and backward) of the same objective.
/// </summary>
internal static class ProductsSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        output.WriteLine($"{"network",-12} {"threads",7} {"parameters",10} {"gradient ms",16} {"fresh HVP",14} {"kept-graph HVP",16} {"fresh GGN",14} {"kept-graph GGN",16}   (medians over rounds; spread = interquartile range / median)");
        foreach (string name in options.Workloads)
        {
            Workload workload = KnownWorkloads.Create(name);
            using Tensor v = randn(workload.Objective.Parameters.Count);
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                Report(workload, v, threads, options.Quick, output);
            }
        }
    }

    private static void Report(Workload workload, Tensor v, int threads, bool quick, TextWriter output)
    {
        using HessianOperator fresh = new(workload.Objective, new CurvatureOptions { GraphMemory = 0 });
        using HessianOperator kept = new(workload.Objective);
        using GgnOperator freshGgn = new(workload.Objective, new CurvatureOptions { GraphMemory = 0 });
        using GgnOperator keptGgn = new(workload.Objective);
        Timing[] timings = Timing.Interleaved(
            quick,
            Timing.Of(() => workload.Objective.Gradient().Dispose()),
            Timing.Of(() => fresh.Apply(v).Dispose()),
            Timing.Of(() => kept.Apply(v).Dispose()),
            Timing.Of(() => freshGgn.Apply(v).Dispose()),
            Timing.Of(() => keptGgn.Apply(v).Dispose()));
        output.WriteLine(
            $"{workload.Name,-12} {threads,7} {v.numel(),10:N0} {$"{timings[0].Median * 1e3:F1} ({timings[0].Spread:P0})",16} {timings[1].In(timings[0]),14} {timings[2].In(timings[0]),16} {timings[3].In(timings[0]),14} {timings[4].In(timings[0]),16}");
    }
}
