using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// What do the same products buy? Every trace and diagonal estimator on the digits network's Gauss-Newton matrix (positive semidefinite, so that all of them take it),
/// beside the exact numbers. With <c>--quick</c>, the block of the last layer.
/// </summary>
internal static class EstimatorsCompared
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp", ScalarType.Float64);
        var parameters = ParameterSpace.Of(model.Module, options.Quick ? "fc2.*" : "*");
        using GgnOperator ggn = new(Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(2000), parameters));
        Tensor exact = ggn.ToDense().diagonal().clone();

        Console.WriteLine($"trace of {ggn.Columns} x {ggn.Columns}: {exact.sum().ToDouble():F5}");
        foreach (int products in (int[])[32, 64, 128])
        {
            #region compare
            foreach (string name in KnownTraceEstimators.Names)
            {
                ITraceEstimator estimator = KnownTraceEstimators.Create(name, new EstimatorOptions { Products = products, Seed = 1 });
                Estimate trace = estimator.Estimate(ggn, cancellation: cancellation).Total;
                Console.WriteLine($"{name,-10} {trace.Products,4} products   {trace.Value:F5} +- {trace.StandardError:F5}");
            }
            #endregion
        }

        foreach (string name in KnownDiagonalEstimators.Names)
        {
            IDiagonalEstimator estimator = KnownDiagonalEstimators.Create(name, new EstimatorOptions { Products = 128, Seed = 1 });
            using DiagonalEstimate diagonal = estimator.Estimate(ggn, cancellation: cancellation);
            double error = Math.Sqrt(diagonal.Values.sub(exact).square().sum().ToDouble() / exact.square().sum().ToDouble());
            Console.WriteLine($"diagonal by {name,-10} {diagonal.Products,4} products   off by {error:P1}, stated {diagonal.RelativeError:P1}");
        }

        #region stream
        using StreamEstimate stream = new ProductStream { MaxProbes = 64, SumOfSquares = true, Seed = 1 }.Estimate(ggn, cancellation: cancellation);
        Console.WriteLine($"one stream of {stream.Products} products: trace {stream.Trace.Total.Value:F4}, Frobenius norm {stream.Frobenius.Value:F4}");
        foreach (LayerTrace layer in stream.Trace.Layers)
        {
            Console.WriteLine($"  {layer.Name}: {layer.Trace.Value:F4} +- {layer.Trace.StandardError:F4}");
        }
        #endregion

        using (no_grad())
        {
            foreach (Tensor parameter in parameters.Parameters)
            {
                parameter.mul_(0.999); // a step of weight decay
            }
        }

        #region difference
        using StreamEstimate later = new ProductStream { MaxProbes = 64, Seed = 1 }.Estimate(ggn, cancellation: cancellation);
        TraceEstimate change = later.TraceDifferenceFrom(stream);
        Console.WriteLine($"after a step the trace is {later.Trace.Total.Value:F4} +- {later.Trace.Total.StandardError:F4}, and has changed by {change.Total.Value:F5} +- {change.Total.StandardError:F5}");
        foreach (LayerTrace layer in change.Layers)
        {
            Console.WriteLine($"  {layer.Name}: {layer.Trace.Value:F5} +- {layer.Trace.StandardError:F5}");
        }
        #endregion
    }
}
