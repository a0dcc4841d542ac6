using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>The naive oracle: central differences of the objective's gradient, column by column, in float64.</summary>
internal static class DenseHessian
{
    /// <summary>Truncation h^2 and rounding 1e-16/h balance near 1e-5: about 1e-9 absolute for derivatives of order one.</summary>
    private const double Step = 1e-5;

    public static double[,] ByDifferences(Objective objective)
    {
        using DisposeScope scope = NewDisposeScope();
        long n = objective.Parameters.Count;
        double[,] hessian = new double[n, n];
        bool[] frozen = [.. objective.Parameters.Parameters.SelectMany(p => Enumerable.Repeat(!p.requires_grad, (int)p.numel()))];
        Tensor theta = objective.Parameters.Snapshot();
        for (long j = 0; j < n; j++)
        {
            if (frozen[j])
            {
                continue; // a constant: its column is zero, though a step along it would move the gradient
            }

            using DisposeScope inner = NewDisposeScope();
            double[] plus = GradientAt(objective, theta, j, Step), minus = GradientAt(objective, theta, j, -Step);
            for (int i = 0; i < n; i++)
            {
                hessian[i, j] = (plus[i] - minus[i]) / (2 * Step);
            }
        }

        objective.Parameters.Assign(theta);
        return hessian;
    }

    private static double[] GradientAt(Objective objective, Tensor theta, long j, double step)
    {
        Tensor moved = theta.clone();
        moved.narrow(0, j, 1).add_(step);
        objective.Parameters.Assign(moved);
        return objective.Gradient().cpu().data<double>().ToArray();
    }
}
