using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// What moves the outputs, and what the loss feels of a layer's activations: the Jacobian with its transpose, and the Hessian in the outputs of each layer. With
/// <c>--quick</c>, on 100 of the images.
/// </summary>
internal static class OutputsAndActivations
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 100 : 500, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(250));

        #region jacobian
        using JacobianOperator j = new(objective);
        Tensor direction = objective.Gradient(cancellation), outputs = j.Apply(direction), back = j.ApplyTranspose(outputs);
        Console.WriteLine($"J [{j.Rows}, {j.Columns}]: a step against the gradient moves the outputs by {outputs.norm().ToDouble():F2} a unit");
        Console.WriteLine($"<J v, J v> = {outputs.dot(outputs).ToDouble():F4} = <v, J^T J v> = {direction.dot(back).ToDouble():F4}");

        using GramOperator tangentKernel = new(j.Transpose()); // J J^T
        using Eigenpairs top = new LanczosEigensolver { Count = 3, Tolerance = 1e-3 }.Solve(tangentKernel, cancellation: cancellation);
        Console.WriteLine($"neural tangent kernel: {string.Join(", ", top.Values.Select(pair => $"{pair.Value:F1}"))}");
        #endregion

        #region activations
        foreach (string layer in (string[])["fc1", "fc2"])
        {
            using ActivationHessianOperator h = new(objective, model.Module, layer);
            Estimate trace = new HutchinsonTrace { MaxProbes = 32, Seed = 1 }.Estimate(h, cancellation: cancellation).Total;
            Console.WriteLine($"trace of the Hessian in the outputs of {layer}, a sample's: {trace.Value:F4} +- {trace.StandardError:F4}");
        }
        #endregion
    }
}
