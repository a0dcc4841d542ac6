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
    /// <value>Gradients drawn in place of all columns: a Monte-Carlo diagonal, unbiased. Null (default): exact.</value>
    public int? Draws { get; init; }

    /// <value>Seed of the draws.</value>
    public int Seed { get; init; }

    /// <summary>Measures the diagonal.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The C# model that it evaluates.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <returns><c>[P]</c> of the parameters' dtype, lambda of the L2 term included; the caller's to dispose.</returns>
    /// <exception cref="CurvatureException">As <see cref="ExactLayerTraces.Estimate"/>.</exception>
    public Tensor Estimate(Objective objective, nn.Module model, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (Draws < 1)
        {
            throw new CurvatureException($"A Monte-Carlo diagonal takes at least one draw; got {Draws}.");
        }

        LayerPass pass = new(objective, model, Draws, Seed);
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        ParameterSpace space = objective.Parameters;
        Tensor diagonal = zeros(space.Count, space.DType, space.Device);
        pass.Run(
            (_, parameter, uses) => diagonal.narrow(0, space.Offset(parameter), space.Parameters[parameter].numel()).add_(ParameterUse.Squares(uses)),
            progress,
            cancellation);
        return diagonal.mul_(pass.Scale / (Draws ?? 1)).add_(objective.L2).MoveToOuterDisposeScope();
    }
}
