using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Operators;

namespace Curvature.Samples;

/// <summary>
/// KFAC, EKFAC and the nearest Kronecker products of the digits network beside its exact Gauss-Newton matrix: traces and errors, layer by layer what was registered, and KFAC as a
/// control variate for the trace.
/// </summary>
internal static class KroneckerFactors
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        int probes = options.Quick ? 16 : 64;

        #region approximations
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(500));
        using GgnOperator ggn = new(objective);
        using DiagonalBlocksOperator blocks = DiagonalBlocksOperator.ByLayer(ggn);
        KfacOptions exact = new() { Gradients = FactorGradients.Exact };
        foreach (string name in KnownApproximations.Names)
        {
            using LayerwiseOperator b = KnownApproximations.Create(name, objective, model.Module, exact, cancellation);
            Estimate error = new ApproximationError { Probes = probes, Seed = 1 }.Estimate(blocks, b, cancellation: cancellation).Relative;
            Console.WriteLine($"{name,-18} trace {b.ExactTrace:F4}, error {error.Value:P1} +- {error.StandardError:P1}");
        }
        #endregion

        ExactTraceEstimate traces = new ExactLayerTraces().Estimate(objective, model.Module, cancellation: cancellation);
        Console.WriteLine($"{"Gauss-Newton",-18} trace {traces.Total.Value:F4}");

        #region control
        using KfacOperator kfac = KfacOperator.Of(objective, model.Module, exact, cancellation: cancellation);
        Estimate plain = new HutchinsonTrace { MaxProbes = probes, Seed = 1 }.Estimate(ggn, cancellation: cancellation).Total;
        Estimate controlled = new ControlVariateTrace(kfac) { MaxProbes = probes, Seed = 1, FitCoefficient = true }.Estimate(ggn, cancellation: cancellation).Total;
        Console.WriteLine($"trace by {probes} products: {plain.Value:F3} +- {plain.StandardError:F3}, with KFAC {controlled.Value:F3} +- {controlled.StandardError:F3}");
        #endregion

        Console.Write(kfac.Registration);
    }
}
