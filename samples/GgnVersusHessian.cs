using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;

namespace Curvature.Samples;

/// <summary>
/// Four curvature matrices of the digits network side by side, and what the generalised Gauss-Newton matrix leaves out of the Hessian. With
/// <c>--quick</c>, on 300 of the images.
/// </summary>
internal static class GgnVersusHessian
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");

        #region matrices
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(256));
        foreach (string name in KnownOperators.Names.Take(4))
        {
            using CurvatureOperator matrix = KnownOperators.Create(name, objective, seed: 1);
            Estimate trace = new HutchinsonTrace { MaxProbes = 64, Seed = 1 }.Estimate(matrix, cancellation: cancellation).Total;
            using Eigenpairs top = new LanczosEigensolver { Count = 1 }.Solve(matrix, cancellation: cancellation);
            Console.WriteLine($"{name,-16} trace {trace.Value:F3} +- {trace.StandardError:F3}, largest eigenvalue {top.Values[0].Value:F4}");
        }
        #endregion

        #region rest
        using HessianOperator hessian = new(objective);
        using GgnOperator ggn = new(objective);
        LinearOperator rest = hessian - ggn;
        using Eigenpairs extremes = new LanczosEigensolver { Count = 2 }.Solve(rest, cancellation: cancellation);
        Console.WriteLine($"Hessian - GGN: eigenvalues of largest magnitude {string.Join(", ", extremes.Values.Select(pair => $"{pair.Value:F4}"))}");
        #endregion
    }
}
