using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// The diagonal of the GGN, exactly: <c>G_ii = sum_n sum_c (J_n^T s_nc)_i^2</c> from per-sample gradients, as <see cref="ExactLayerTraces"/> (conditions, checks
/// and cost there; what the Gram route saves has no counterpart for the diagonal). For layers in which the outputs are piecewise linear it is the Hessian's
/// diagonal too.
/// </summary>
public sealed record GgnDiagonal
{
    /// <value>Gradients drawn in place of all columns: a Monte-Carlo diagonal, unbiased, with a standard error for each entry. Null (default): exact.</value>
    public int? Draws { get; init; }

    /// <value>Seed of the draws; draw i of a sample depends on (Seed, row of the data, i) alone.</value>
    public int Seed { get; init; }

    /// <value>Whether a layer whose Hessian block may have another diagonal is an error (default false); see <see cref="ExactLayerTrace.Obstacle"/>.</value>
    public bool RequireHessian { get; init; }

    /// <summary>Measures the diagonal.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The C# model that it evaluates.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <returns>
    /// The entries <c>[P]</c>, lambda of the L2 term included, and their standard errors: 0 where exact, NaN of a single draw. <see cref="DiagonalEstimate.Products"/> counts
    /// backward passes. The caller disposes it.
    /// </returns>
    /// <exception cref="CurvatureException">As <see cref="ExactLayerTraces.Estimate"/>.</exception>
    public DiagonalEstimate Estimate(
        Objective objective, nn.Module model, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (Draws < 1)
        {
            throw new CurvatureException($"A Monte-Carlo diagonal takes at least one draw; got {Draws}.");
        }

        LayerPass pass = new(objective, model, Draws, Seed);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        ParameterSpace space = objective.Parameters;
        Tensor sum = zeros(space.Count, space.DType, space.Device), scatter = zeros_like(sum);
        Tensor mean = Draws is null ? sum : zeros_like(sum); // of the batch's draws so far
        pass.Run(
            (draw, parameter, uses) =>
            {
                Tensor Part(Tensor vector) => vector.narrow(0, space.Offset(parameter), space.Parameters[parameter].numel());
                Tensor squares = ParameterUse.Squares(uses);
                Part(sum).add_(squares);
                if (Draws is null)
                {
                    return;
                }

                // Draws of one batch are alike, those of two batches are not: the scatter about each batch's own mean is summed (Welford's recurrence).
                Tensor m = draw == 0 ? Part(mean).copy_(squares) : Part(mean), delta = squares.sub(m);
                m.add_(delta, 1.0 / (draw + 1));
                Part(scatter).add_(delta.mul(squares.sub(m)));
            },
            progress,
            cancellation);
        objective.Ranks.Sum(sum);
        if (Draws is not null)
        {
            objective.Ranks.Sum(scatter);
        }

        if (RequireHessian)
        {
            string?[] obstacles = objective.FromHolder(() => PiecewiseLinearity.Obstacles(objective, pass.Modules, pass.Uses), cancellation);
            PiecewiseLinearity.Require(space, obstacles, "diagonal", nameof(HutchinsonDiagonal));
        }

        double draws = Draws ?? 1;
        Tensor errors = Draws is null ? scatter : scatter.div(draws * (draws - 1)).sqrt().mul(pass.Scale);
        return new DiagonalEstimate(sum.mul(pass.Scale / draws).add(objective.L2), errors, pass.BackwardPasses, Draws ?? 0);
    }
}
