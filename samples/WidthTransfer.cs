using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Sharpness against width over training, under muP and under the standard parametrisation (Noci et al. 2024, Super Consistency of Neural Network Landscapes and Learning Rate Transfer, arXiv:2402.17457): learning rate
/// times lambda_max over the steps of full-batch gradient descent, one curve a width. Under muP the curves coincide, so that a rate found on a narrow network serves a wide one; under the standard parametrisation they do not.
/// On Fashion-MNIST, some minutes; with <c>--quick</c> on digits.
/// </summary>
internal static class WidthTransfer
{
    // The rate is such that the widest network starts at this share of instability, 2.
    private const double Start = 0.5;

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset data = Images(options.Quick);
        int[] widths = options.Quick ? [16, 32, 64] : [32, 64, 128, 256];
        (int steps, int every) = options.Quick ? (60, 20) : (200, 10);
        foreach ((Parametrisation kind, string name) in (ReadOnlySpan<(Parametrisation, string)>)[(Parametrisation.MuP, "mup"), (Parametrisation.Standard, "standard")])
        {
            double rate = Start / Sharpness(new WideNetwork(data.Inputs.shape[1], widths[^1], kind), data, cancellation);
            Dictionary<int, double[]> curves = widths.ToDictionary(width => width, width => Train(new WideNetwork(data.Inputs.shape[1], width, kind), data, rate, steps, every, cancellation));
            foreach ((int width, double[] curve) in curves)
            {
                Console.WriteLine($"{kind,-8} width {width,4}: rate x lambda_max {string.Join(" ", curve.Where((_, i) => i % Math.Max(1, curve.Length / 5) == 0).Select(value => $"{value:F2}"))}");
            }

            Console.WriteLine($"{kind,-8} widest over narrowest: up to {Spread(curves, steps / every / 4):F2}");
            DocFigures.Write(options, $"width-{name}", new WidthFigure(kind, curves, every));
        }
    }

    /// <summary>Full-batch gradient descent; rate times lambda_max before the first step and after every so many.</summary>
    private static double[] Train(WideNetwork network, Dataset data, double rate, int steps, int every, CancellationToken cancellation)
    {
        Objective objective = Over(network, data);
        List<double> curve = [];
        for (int step = 0; ; step++)
        {
            if (step % every == 0)
            {
                curve.Add(rate * network.RateFactor * Sharpness(objective, cancellation));
            }

            if (step == steps)
            {
                network.Dispose();
                return [.. curve];
            }

            using DisposeScope scope = NewDisposeScope();
            objective.Parameters.Assign(objective.Parameters.Snapshot().add(objective.Gradient(cancellation), -rate * network.RateFactor));
        }
    }

    /// <summary>The largest ratio of two widths' values at one step, from <paramref name="first"/> on.</summary>
    private static double Spread(Dictionary<int, double[]> curves, int first) =>
        Enumerable.Range(first, curves.Values.First().Length - first).Max(i => curves.Values.Max(curve => curve[i]) / curves.Values.Min(curve => curve[i]));

    private static double Sharpness(WideNetwork network, Dataset data, CancellationToken cancellation)
    {
        using (network)
        {
            return network.RateFactor * Sharpness(Over(network, data), cancellation);
        }
    }

    private static double Sharpness(Objective objective, CancellationToken cancellation)
    {
        using HessianOperator hessian = new(objective);
        return new OperatorNorm { MaxSteps = 12, Seed = 1 }.Estimate(hessian, cancellation: cancellation).Value;
    }

    private static Objective Over(WideNetwork network, Dataset data) => Objective.Supervised(network, new MeanSquaredError(), data.Batches(data.Count));

    /// <summary>Inputs of length 1 in the mean square, and one-hot targets.</summary>
    private static Dataset Images(bool quick)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset images = quick
            ? DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 }).Sample(200, seed: 1)
            : FashionMnist.Read("train", 1000);
        Tensor x = images.Inputs.reshape(images.Count, -1), centred = x.sub(x.mean());
        Tensor targets = eye(10, dtype: ScalarType.Float32).index_select(0, images.Targets.to(ScalarType.Int64));
        return new Dataset(centred.div(centred.square().sum(1).mean().sqrt()), targets, images.Name);
    }
}
