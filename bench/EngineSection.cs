using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>What one operator call costs from C#, and how fast the BLAS is that libtorch found.</summary>
internal static class EngineSection
{
    private const int Side = 1024;

    public static void Run(BenchOptions options, TextWriter output)
    {
        using IDisposable noGrad = no_grad();
        set_num_threads(1);
        int calls = options.Quick ? 10_000 : 200_000;
        using Tensor one = ones(1);
        Timing[] call = Timing.Interleaved(options.Quick, Timing.Of(() =>
        {
            for (int i = 0; i < calls; i++)
            {
                one.add(one).Dispose();
            }
        }));
        output.WriteLine($"one-element add with Dispose: {call[0].Median / calls * 1e9:F0} ns ({call[0].Spread:P0} spread)");

        foreach (int threads in options.Threads)
        {
            set_num_threads(threads);
            using Tensor single = rand(Side, Side);
            using Tensor twice = rand(Side, Side, dtype: ScalarType.Float64);
            Timing[] products = Timing.Interleaved(options.Quick, Timing.Of(() => single.mm(single).Dispose()), Timing.Of(() => twice.mm(twice).Dispose()));
            double flops = 2.0 * Side * Side * Side;
            output.WriteLine($"threads {threads}: mm float32 {flops / products[0].Median / 1e9:F0} GF/s, float64 {flops / products[1].Median / 1e9:F0} GF/s");
        }
    }
}
