using Curvature.Objectives;
using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// KFAC as a matrix: <c>blockdiag_l (G_l (x) A_l)</c>, <c>[P, P]</c>, acting on a layer's matrix <c>[W, b]</c> as <c>X -> G X A</c>; each block approximates that of the generalised
/// Gauss-Newton matrix (<see cref="GgnOperator"/>, without its L2 term), see <see cref="KfacFactors"/>. Symmetric, positive semi-definite, with exact trace, log-determinant and norm.
/// <para>
/// It equals the block where inputs and gradients are independent: for one sample at one position (with <see cref="FactorGradients.Exact"/>), and for deep linear networks with squared error.
/// The error elsewhere is measured by <see cref="Estimators.ApproximationError"/>. A snapshot of the factors: later updates do not reach it.
/// </para>
/// </summary>
public sealed class KfacOperator : LayerwiseOperator
{
    /// <param name="factors">Copied; stay the caller's.</param>
    /// <exception cref="CurvatureException">Factors that hold no data yet.</exception>
    public KfacOperator(KfacFactors factors) : base(factors.Parameters, factors.Registration, factors.ToBlocks())
    {
    }

    /// <summary>Gathers the factors of an objective in one pass over its data: <see cref="KfacFactors.Of"/>.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">As <see cref="KfacFactors.Of"/>.</exception>
    public static KfacOperator Of(
        Objective objective, nn.Module model, KfacOptions? options = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        using KfacFactors factors = KfacFactors.Of(objective, model, options, progress, cancellation);
        return new KfacOperator(factors);
    }
}
