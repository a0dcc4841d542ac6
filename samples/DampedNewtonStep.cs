using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Linear systems with a curvature matrix. A damped Newton step <c>(H + c I) d = g</c> of the digits network by three solvers, what conjugate gradients
/// say where the matrix is not positive definite, and the inverse as an operator.
/// </summary>
internal static class DampedNewtonStep
{
    public static void Run(SampleOptions options, CancellationToken cancellation) => Solve(batchSize: options.Quick ? 300 : 2000);

    private static void Solve(int batchSize)
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp", ScalarType.Float64);
        var objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(batchSize).Take(1).ToList());
        using HessianOperator hessian = new(objective);

        #region solve
        using Tensor gradient = objective.Gradient();
        LinearOperator damped = hessian.Shift(0.1);
        foreach (string name in KnownSolvers.Names)
        {
            ILinearSolver solver = KnownSolvers.Create(name, new LinearSolverOptions { Tolerance = 1e-4, MaxProducts = 3000 });
            using LinearSolution step = solver.Solve(damped, gradient);
            Console.WriteLine($"{name,-8} residual {step.Residual:E1} after {step.Products} products{(step.Remark is null ? "" : $": {step.Remark}")}");
        }
        #endregion

        using LinearSolution undamped = new ConjugateGradient().Solve(hessian, gradient);
        Console.WriteLine($"undamped: {undamped.Remark}");

        #region inverse
        using InverseOperator inverse = new(damped, new Minres { Tolerance = 1e-6 });
        using Tensor direction = inverse.Apply(gradient);
        Console.WriteLine($"decrease predicted by the quadratic model: {0.5 * gradient.dot(direction).ToDouble():E2}");
        #endregion

        #region eigenpairs
        using Eigenpairs top = new Lobpcg { Count = 3, Tolerance = 1e-4 }.Solve(hessian);
        Console.WriteLine($"largest eigenvalues {string.Join(", ", top.Values.Select(pair => $"{pair.Value:F4}"))} after {top.Products} products");
        #endregion
    }
}
