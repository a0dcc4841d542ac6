using Curvature.Kronecker;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// What keeping the inverse of one Kronecker factor <c>[d, d]</c> costs in float32 on one thread: MKOR's rank-1 update, in full and in half precision, and the Cholesky inverse that KFAC takes
/// each time it renews its own. The exponents are slopes of log seconds over log d: 2 is the size of the matrix, 3 a matrix product.
/// </summary>
internal static class KroneckerSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        using IDisposable noGrad = no_grad();
        set_num_threads(1);
        int[] sizes = options.Quick ? [64, 128, 256] : [256, 512, 1024, 2048, 4096];
        output.WriteLine($"{"d",6} {"MKOR update",14} {"in half",14} {"KFAC inverse",14} {"ratio",8}");
        List<double[]> seconds = [];
        foreach (int d in sizes)
        {
            double[] times = Measure(d, options.Quick);
            seconds.Add(times);
            output.WriteLine($"{d,6} {1e6 * times[0],11:F0} us {1e6 * times[1],11:F0} us {1e6 * times[2],11:F0} us {times[2] / times[0],8:F0}");
        }

        double[] slopes = [.. Enumerable.Range(0, 3).Select(i => Slope(sizes, [.. seconds.Select(times => times[i])]))];
        output.WriteLine($"{"slope",6} {slopes[0],14:F2} {slopes[1],14:F2} {slopes[2],14:F2}");
    }

    /// <summary>Medians of one side's update, the same in half precision, and the inverse.</summary>
    private static double[] Measure(int d, bool quick)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        MkorLayer[] layer = [new("layer", d, d, HasBias: false)];
        using MkorFactors full = new(layer), half = new(layer, new MkorOptions { HalfPrecision = true });
        Tensor a = randn(d), g = randn(d), x = randn(d, 2 * d), factor = x.mm(x.t()).div(2 * d);
        factor.diagonal().add_(0.1);
        Timing[] timings = Timing.Interleaved(
            quick,
            Timing.Of(() => full.Update("layer", a, g)),
            Timing.Of(() => half.Update("layer", a, g)),
            Timing.Of(() =>
            {
                using DisposeScope inner = NewDisposeScope();
                linalg.cholesky(factor).cholesky_inverse();
            }));
        return [timings[0].Median / 2, timings[1].Median / 2, timings[2].Median]; // an update is of both sides
    }

    /// <summary>Least squares through the logarithms.</summary>
    private static double Slope(int[] sizes, double[] seconds)
    {
        double[] x = [.. sizes.Select(d => Math.Log(d))], y = [.. seconds.Select(s => Math.Log(s))];
        (double mx, double my) = (x.Average(), y.Average());
        return x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum() / x.Sum(a => (a - mx) * (a - mx));
    }
}
