using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>An objective at points of a line or plane through where its tensors are; they are put back bit for bit, whatever happens.</summary>
/// <param name="objective">L.</param>
/// <param name="moved">What is moved; null: the objective's parameters.</param>
/// <param name="progress">Told after each point.</param>
/// <param name="cancellation">Ends between two batches.</param>
internal sealed class LandscapeWalk(Objective objective, ParameterSpace? moved, IProgress<ProductProgress>? progress, CancellationToken cancellation)
{
    private readonly ParameterSpace _moved = moved ?? objective.Parameters;

    /// <summary>The losses at <c>theta + sum_k t_k d_k</c>; NaN where one is not finite.</summary>
    /// <param name="directions">d_k, <c>[P]</c> each.</param>
    /// <param name="points">The positions t, one a direction.</param>
    public double[] Losses(IReadOnlyList<Tensor> directions, IReadOnlyList<double[]> points)
    {
        foreach (Tensor direction in directions)
        {
            Check(direction);
        }

        objective.EnsureDeterministic();
        using IDisposable noGrad = no_grad();
        using Tensor theta = _moved.Snapshot();
        double[] losses = new double[points.Count];
        try
        {
            for (int i = 0; i < losses.Length; i++)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor at = theta.clone();
                for (int k = 0; k < directions.Count; k++)
                {
                    at.add_(directions[k].detach(), alpha: points[i][k]);
                }

                _moved.Assign(at);
                losses[i] = Value();
                progress?.Report(new ProductProgress("points", i + 1, losses.Length));
            }
        }
        finally
        {
            _moved.Assign(theta);
        }

        return losses;
    }

    private double Value()
    {
        try
        {
            return objective.Value(cancellation);
        }
        catch (NonFiniteException)
        {
            return double.NaN;
        }
    }

    private void Check(Tensor direction)
    {
        if (direction.dim() != 1 || direction.shape[0] != _moved.Count || direction.dtype != _moved.DType || !Finite.Everywhere(direction) || Precision.Norm(direction) == 0)
        {
            throw new CurvatureException(
                $"A direction is a finite vector [{_moved.Count}] of {_moved.DType} that is not zero; got [{string.Join(", ", direction.shape)}] of {direction.dtype}"
                + $"{(!Finite.Everywhere(direction) ? ", not finite" : Precision.Norm(direction) == 0 ? ", all of it zero" : "")}.");
        }
    }
}
