using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// Kept-graph products with the Hessian and the generalised Gauss-Newton matrix, flat vector in and flat vector out, here through
/// <see cref="KnownOperators"/> and in a Python process through PyTorch in their textbook form (double backward; two vector-Jacobian products, the loss's
/// Hessian by double backward), product by product in turns; the same weights, data and vector, so that the results can be compared too.
/// </summary>
internal static class PyTorchSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        using PyTorchPeer? peer = PyTorchPeer.Start(out string reason);
        if (peer is null)
        {
            output.WriteLine($"skipped: {reason}");
            return;
        }

        output.WriteLine($"PyTorch {peer.Version}");
        output.WriteLine($"{"network",-12} {"matrix",-8} {"threads",7} {"here ms",14} {"PyTorch ms",14} {"here / PyTorch",15} {"difference",11}");
        foreach (string name in options.Workloads)
        {
            Workload workload = KnownWorkloads.Create(name);
            using Tensor v = randn(workload.Objective.Parameters.Count);
            peer.Load(name, [], workload, v);
            foreach (int threads in options.Threads)
            {
                set_num_threads(threads);
                peer.SetThreads(threads);
                Report("hessian", workload, v, peer, threads, options.Quick, output);
                Report("ggn", workload, v, peer, threads, options.Quick, output);
            }
        }
    }

    private static void Report(string matrix, Workload workload, Tensor v, PyTorchPeer peer, int threads, bool quick, TextWriter output)
    {
        using CurvatureOperator product = KnownOperators.Create(matrix, workload.Objective);
        Timing[] timings = Timing.Interleaved(quick, Timing.Of(() => product.Apply(v).Dispose()), () => peer.Product(matrix));
        using Tensor here = product.Apply(v);
        using Tensor there = peer.Last();
        double difference = ((here - there).norm() / there.norm()).ToDouble();
        string Cell(Timing timing) => $"{timing.Median * 1e3:F2} ({timing.Spread:P0})";
        output.WriteLine(
            $"{workload.Name,-12} {matrix,-8} {threads,7} {Cell(timings[0]),14} {Cell(timings[1]),14} {timings[0].Over(timings[1]).Median,15:F3} {difference,11:E1}");
    }
}
