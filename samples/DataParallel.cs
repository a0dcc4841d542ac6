using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Distributed;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;

namespace Curvature.Samples;

/// <summary>
/// The same lines in one process and under mpirun: each rank holds a share of the digits, and trace and eigenvalues are those of all of them.
/// <c>mpirun -n 3 artifacts/standin/bin/Curvature.Samples/release/Curvature.Samples data-parallel</c>
/// </summary>
internal static class DataParallel
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        #region ranks
        int code = Communicator.Run(ranks =>
        {
            using var digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
            using var model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
            var objective = Objective.Supervised(model.Module, new CrossEntropy(), Shard.Of(digits, batchSize: 256, ranks), ranks: ranks);
            using GgnOperator ggn = new(objective, new CurvatureOptions { Cancellation = cancellation });
            Estimate trace = new HutchinsonTrace { MaxProbes = 64, Seed = 1 }.Estimate(ggn).Total;
            using Eigenpairs top = new LanczosEigensolver { Count = 1 }.Solve(ggn);
            double loss = objective.Value(cancellation); // as all of the above, every rank asks
            if (ranks.Rank == 0)
            {
                Console.WriteLine($"{digits.Count:N0} samples on {ranks.Count} {(ranks.Count == 1 ? "rank" : "ranks")}: loss {loss:F4}, trace {trace.Value:F3} +- {trace.StandardError:F3}, largest eigenvalue {top.Values[0].Value:F4}");
            }

            return 0;
        });
        #endregion
        if (code != 0)
        {
            throw new CurvatureException($"The ranks ended with the code {code}.");
        }
    }
}
