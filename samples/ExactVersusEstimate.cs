using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The digits network is small enough for its whole Hessian (2,410 x 2,410): what do the estimates miss of it? With <c>--quick</c>, the block
/// of the last layer (330 x 330).
/// </summary>
internal static class ExactVersusEstimate
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp", ScalarType.Float64);
        var parameters = ParameterSpace.Of(model.Module, options.Quick ? "fc2.*" : "*");
        using HessianOperator hessian = new(Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(2000), parameters));

        using Tensor dense = hessian.ToDense();
        using Tensor exact = linalg.eigvalsh(dense);
        double[] spectrum = exact.data<double>().ToArray();

        Estimate trace = new HutchinsonTrace { MaxProbes = 100, Seed = 1 }.Estimate(hessian, cancellation: cancellation).Total;
        (double low, double high) = trace.ConfidenceInterval();
        Console.WriteLine($"trace {spectrum.Sum(),12:F5}   estimated {trace.Value:F5}, 95 % interval [{low:F5}, {high:F5}]");

        using Eigenpairs top = new LanczosEigensolver { Count = 5, Seed = 1 }.Solve(hessian, cancellation: cancellation);
        foreach ((double value, Eigenvalue found) in spectrum.OrderByDescending(Math.Abs).Zip(top.Values))
        {
            Console.WriteLine($"eigenvalue {value,7:F5}   found {found.Value:F5}, residual {found.Residual:E1}");
        }

        SpectralDensity density = new StochasticLanczosQuadrature { Seed = 1 }.Estimate(hessian, cancellation: cancellation);
        foreach (double fraction in (double[])[0.001, 0.01, 0.1])
        {
            double at = fraction * spectrum[^1];
            double share = spectrum.Count(value => value <= at) / (double)spectrum.Length;
            Console.WriteLine($"share of eigenvalues up to {at:F4}: {share:F4}   estimated {density.Cumulative(at).Value:F4}");
        }
    }
}
