using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;

namespace Curvature.Samples;

/// <summary>
/// Three Fisher matrices beside the Gauss-Newton matrix that is their common aim: drawn with one target a sample, drawn with many, and the empirical one, whose targets are
/// those of the data. With <c>--quick</c>, on 300 of the images.
/// </summary>
internal static class FisherVariants
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(500));

        #region fisher
        using GgnOperator ggn = new(objective);
        foreach (int samples in (int[])[1, 4, 16])
        {
            using FisherOperator fisher = new(objective, samples, seed: 1);
            Print($"drawn {samples} times", fisher);
        }

        using EmpiricalFisherOperator empirical = new(objective);
        Print("empirical", empirical);

        void Print(string name, LinearOperator fisher)
        {
            Estimate off = new FrobeniusNorm { MaxProbes = 32, Seed = 1 }.Estimate(fisher - ggn, cancellation: cancellation);
            using Eigenpairs top = new LanczosEigensolver { Count = 1 }.Solve(fisher, cancellation: cancellation);
            Console.WriteLine($"{name,-15} |F - G| = {off.Value:F3} +- {off.StandardError:F3}, largest eigenvalue {top.Values[0].Value:F4}");
        }
        #endregion
    }
}
