using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// A minimum to within rounding, as formulas that hold at minima need it: truncated Newton steps by conjugate gradients, which stop where the loss curves downwards, and half of a step where a whole one goes
/// too far.
/// </summary>
internal static class Minimum
{
    private const double Flat = 1e-8;

    /// <summary>Moves the objective's parameters to a minimum nearby.</summary>
    /// <exception cref="CurvatureException">None within 200 steps.</exception>
    public static void Find(Objective objective, CancellationToken cancellation)
    {
        for (int step = 0; step < 200; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor gradient = objective.Gradient(cancellation);
            double slope = gradient.norm().ToDouble();
            if (slope < Flat)
            {
                return;
            }

            using HessianOperator hessian = new(objective);
            ConjugateGradient solver = new() { Tolerance = Math.Min(0.1, Math.Sqrt(slope)), MaxProducts = 250 };
            using LinearSolution solution = solver.Solve(hessian, gradient, cancellation: cancellation);
            Tensor direction = solution.Iterations > 0 ? solution.X : gradient, theta = objective.Parameters.Snapshot();
            double before = objective.Value(cancellation), length = 1;
            do
            {
                objective.Parameters.Assign(theta.sub(direction.mul(length)));
                length /= 2;
            }
            while (!(objective.Value(cancellation) <= before + 1e-15) && length > 1e-9);
        }

        throw new CurvatureException($"No minimum within 200 Newton steps: the gradient's norm is above {Flat}.");
    }
}
