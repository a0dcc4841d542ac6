using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;

namespace Curvature.Samples;

/// <summary>The same three eigenpairs by every eigensolver, with residuals and what they cost; then both ends of the spectrum at once. With <c>--quick</c>, on 300 of the images.</summary>
internal static class Eigensolvers
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        using HessianOperator hessian = new(Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(600)));

        #region solvers
        foreach (KnownSolver about in KnownEigensolvers.All)
        {
            EigensolverOptions wanted = new() { Count = 3, Which = about.Name == "lobpcg" ? Spectrum.Largest : Spectrum.Magnitude, Tolerance = 1e-3 };
            using Eigenpairs found = KnownEigensolvers.Create(about.Name, wanted).Solve(hessian, cancellation: cancellation);
            Console.WriteLine($"{about.Name,-8} {found.Products,4} products: {string.Join(", ", found.Values.Select(pair => $"{pair.Value:F4} (residual {pair.Residual:E0})"))}");
        }
        #endregion

        #region ends
        using Eigenpairs ends = new LanczosEigensolver { Count = 2, Which = Spectrum.Both, Tolerance = 1e-3 }.Solve(hessian, cancellation: cancellation);
        Console.WriteLine($"both ends: {string.Join(", ", ends.Values.Select(pair => $"{pair.Value:F4}"))}, {(ends.IsComplete ? "none missed" : "some may be missed")}");
        #endregion
    }
}
