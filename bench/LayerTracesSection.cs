using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// Every layer's trace of a LeNet on one batch of 256 images, exactly and by one draw, and the exact diagonal, as multiples of one gradient of the same
/// objective; beside them the 64 probes of a stochastic trace with their relative standard error.
/// </summary>
internal static class LayerTracesSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        manual_seed(1);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
        model.eval();
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(randn(256, 1, 28, 28), randint(10, [256]))]);
        using GgnOperator ggn = new(objective);
        HutchinsonTrace hutchinson = new() { MaxProbes = options.Quick ? 4 : 64, MinProbes = 2 };
        double error = 0;
        foreach (int threads in options.Threads)
        {
            set_num_threads(threads);
            Timing[] timings = Timing.Interleaved(
                options.Quick,
                Timing.Of(() => objective.Gradient().Dispose()),
                Timing.Of(() => new ExactLayerTraces().Estimate(objective, model)),
                Timing.Of(() => new ExactLayerTraces { Draws = 1 }.Estimate(objective, model)),
                Timing.Of(() => new GgnDiagonal().Estimate(objective, model).Dispose()),
                Timing.Of(() =>
                {
                    Estimate trace = hutchinson.Estimate(ggn).Total;
                    error = trace.StandardError / trace.Value;
                }));
            string Ratio(int i) => timings[i].In(timings[0]);
            output.WriteLine(
                $"threads {threads}: gradient {timings[0].Median * 1e3:F1} ms, exact traces {Ratio(1)}, one draw {Ratio(2)}, exact diagonal {Ratio(3)}, "
                + $"{hutchinson.MaxProbes} probes {Ratio(4)} (standard error {error:P1})");
        }
    }
}
