using System.Diagnostics;
using System.Globalization;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// What <see cref="JobCost"/> tells before a trace, a density and eigenvalues, beside what they then take: seconds, and the largest resident memory above that before. The table of docs/scaling.md.
/// </summary>
internal static class ScalingSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        output.WriteLine("| network | parameters | samples | threads | work | told, s | took, s | told, MB | took, MB |");
        output.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (string name in options.Workloads)
        {
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                foreach (WorkPlan work in Plans(options.Quick))
                {
                    Report(name, threads, options.Quick ? 1 : 4, work, output);
                }
            }
        }
    }

    private static WorkPlan[] Plans(bool quick) => quick
        ? [new(0, Probes: 8, 0, 0, 0)]
        : [new(0, Probes: 64, 0, 0, 0), new(0, 0, 0, Steps: 30, Runs: 4), new(0, 0, EigenProducts: 60, 0, 0)];

    private static void Report(string name, int threads, int batches, WorkPlan work, TextWriter output)
    {
        using DisposeScope scope = NewDisposeScope();
        Workload workload = KnownWorkloads.Create(name, batches);
        long batch = workload.Batch.Inputs.shape[0], parameters = workload.Objective.Parameters.Count;
        ProductCost cost = ProductCost.Measure(o => new HessianOperator(KnownWorkloads.Create(name).Objective, o), batch, forms: true);
        JobCost job = new() { Plan = work with { Samples = batch * batches }, Product = cost, TraceByForms = true, Parameters = parameters, BatchSize = (int)batch, Speed = MachineSpeed.Measure(CPU) };
        GC.Collect();
        long before = Resident(reset: true);
        long start = Stopwatch.GetTimestamp();
        using (HessianOperator hessian = new(workload.Objective))
        {
            Measure(hessian, work);
        }

        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double grown = Math.Max(0, Resident(reset: false) - before), told = job.Memory.Skip(2).Sum(part => part.Amount) + (2.0 * parameters * job.ElementSize);
        string what = work.Probes > 0 ? $"trace, {work.Probes} probes" : work.Steps > 0 ? $"density, {work.Steps} x {work.Runs}" : $"eigenvalues, {work.EigenProducts} products";
        output.WriteLine(FormattableString.Invariant(
            $"| {workload.Name} | {parameters:N0} | {batch * batches} | {threads} | {what} | {job.Seconds:g3} | {seconds:g3} | {told / 1e6:F0} | {grown / 1e6:F0} |"));
    }

    private static void Measure(HessianOperator hessian, WorkPlan work)
    {
        if (work.Probes > 0)
        {
            new HutchinsonTrace { MaxProbes = work.Probes }.Estimate(hessian);
        }
        else if (work.Steps > 0)
        {
            new StochasticLanczosQuadrature { Steps = work.Steps, Runs = work.Runs }.Estimate(hessian);
        }
        else
        {
            new LanczosEigensolver { Count = 5, Tolerance = 1e-12, MaxProducts = work.EigenProducts }.Solve(hessian).Dispose();
        }
    }

    /// <summary>Resident bytes: now, after setting the high-water mark to them, or the high-water mark.</summary>
    private static long Resident(bool reset)
    {
        if (reset)
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }

        string kilobytes = File.ReadLines("/proc/self/status").First(line => line.StartsWith(reset ? "VmRSS:" : "VmHWM:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return long.Parse(kilobytes, CultureInfo.InvariantCulture) * 1024;
    }
}
