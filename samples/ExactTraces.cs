using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;

namespace Curvature.Samples;

/// <summary>
/// Each layer's trace without probes and error bars, from per-sample gradients, beside the stochastic one; and which of them hold for the Hessian.
/// </summary>
internal static class ExactTraces
{
    public static void Run(SampleOptions options, CancellationToken cancellation) => Measure(probes: options.Quick ? 16 : 256);

    private static void Measure(int probes)
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");

        #region measure
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(500));
        ExactTraceEstimate exact = new ExactLayerTraces().Estimate(objective, model.Module);
        foreach (ExactLayerTrace layer in exact.Layers)
        {
            Console.WriteLine($"{layer.Name}: {layer.Trace.Value:F5}, {layer.Obstacle ?? "the Hessian's too"}");
        }
        #endregion

        #region diagonal
        using DiagonalEstimate diagonal = new GgnDiagonal().Estimate(objective, model.Module);
        Console.WriteLine($"largest entry of the diagonal {diagonal.Values.max().ToDouble():F5}, sum {diagonal.Values.sum().ToDouble():F5}");
        using DiagonalEstimate drawn = new GgnDiagonal { Draws = 4, Seed = 1 }.Estimate(objective, model.Module);
        Console.WriteLine($"from 4 draws in place of 10 classes: sum {drawn.Values.sum().ToDouble():F5}, the whole vector off by {drawn.RelativeError:P0}");
        #endregion

        using GgnOperator ggn = new(objective);
        TraceEstimate stochastic = new HutchinsonTrace { MaxProbes = probes, Seed = 1 }.Estimate(ggn);
        foreach (LayerTrace layer in stochastic.Layers)
        {
            Console.WriteLine($"{layer.Name}: {layer.Trace.Value:F5} +- {layer.Trace.StandardError:F5} by {probes} probes");
        }
    }
}
