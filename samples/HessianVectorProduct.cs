using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;

namespace Curvature.Samples;

/// <summary>The README's lines: from a checkpoint and its data to products, the trace and the largest eigenvalues of the Hessian.</summary>
internal static class HessianVectorProduct
{
    public static void Run(SampleOptions options, CancellationToken cancellation) => Measure();

    private static void Measure()
    {
        #region readme
        using var digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using var model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(256));
        using var hessian = new HessianOperator(objective);

        using var v = torch.ones(hessian.Columns);
        using var hv = hessian.Apply(v);
        Console.WriteLine($"v'Hv = {v.dot(hv).ToDouble():F2}, |Hv| = {hv.norm().ToDouble():F2}");

        Estimate trace = new HutchinsonTrace { MaxProbes = 64, Seed = 1 }.Estimate(hessian).Total;
        Console.WriteLine($"trace = {trace.Value:F3} +- {trace.StandardError:F3} after {trace.Products} products");

        using Eigenpairs top = new LanczosEigensolver { Count = 3 }.Solve(hessian);
        Console.WriteLine($"largest eigenvalues: {string.Join(", ", top.Values.Select(pair => $"{pair.Value:F4}"))}");
        #endregion
    }
}
