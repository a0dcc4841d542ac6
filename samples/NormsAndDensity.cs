using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;

namespace Curvature.Samples;

/// <summary>
/// One matrix in several numbers: norms, log-determinant, effective dimension and the density of its eigenvalues, each with its error. With <c>--quick</c>, the block of the
/// last layer.
/// </summary>
internal static class NormsAndDensity
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        var parameters = ParameterSpace.Of(model.Module, options.Quick ? "fc2.*" : "*");
        using GgnOperator ggn = new(Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(600), parameters));

        #region norms
        Estimate frobenius = new FrobeniusNorm { MaxProbes = 64, Seed = 1 }.Estimate(ggn, cancellation: cancellation);
        NormBound largest = new OperatorNorm { MaxSteps = 60, Seed = 1 }.Estimate(ggn, cancellation: cancellation);
        Console.WriteLine($"Frobenius norm {frobenius.Value:F3} +- {frobenius.StandardError:F3}");
        Console.WriteLine($"operator norm between {largest.Value:F4} and {largest.UpperBound:F4}, the latter with probability {largest.Probability:P0}");
        #endregion

        #region schatten
        FunctionEstimate nuclear = new SchattenNorm { Order = 1, Quadrature = new() { Steps = 60, MaxRuns = 8, Seed = 1 } }.Estimate(ggn, cancellation: cancellation);
        Console.WriteLine($"Schatten norm of order 1 (of a positive matrix the trace) {nuclear.Estimate.Value:F3} +- {nuclear.Estimate.StandardError:F3}");
        #endregion

        #region functions
        FunctionTrace quadrature = new() { Steps = 60, MaxRuns = 8, Seed = 1 };
        FunctionEstimate logarithm = new LogDeterminant { Damping = 0.01, Quadrature = quadrature }.Estimate(ggn, cancellation: cancellation);
        FunctionEstimate dimension = new EffectiveDimension { Damping = 0.01, Quadrature = quadrature }.Estimate(ggn, cancellation: cancellation);
        Console.WriteLine($"log det(G + 0.01 I) = {logarithm.Estimate.Value:F1} +- {logarithm.Estimate.StandardError:F1} nats");
        Console.WriteLine($"effective dimension {dimension.Estimate.Value:F1} +- {dimension.Estimate.StandardError:F1} of {ggn.Columns}");
        #endregion

        #region density
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 60, Runs = 8, Seed = 1 }.Estimate(ggn, cancellation: cancellation);
        foreach (double bound in (double[])[1e-4, 1e-3, 1e-2, 1e-1])
        {
            Estimate above = density.Mass(bound, double.PositiveInfinity);
            Console.WriteLine($"eigenvalues above {bound:G1}: {ggn.Columns * above.Value:F0} +- {ggn.Columns * above.StandardError:F0}");
        }
        #endregion
    }
}
