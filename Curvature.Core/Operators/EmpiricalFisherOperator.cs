using Curvature.Objectives;

namespace Curvature.Operators;

/// <summary>
/// The empirical Fisher matrix <c>E = (1/M) sum_s g_s g_s^T + lambda I</c> of the gradients <c>g_s = dl_s/dtheta</c> of single samples at the targets
/// observed (mean reduction; <c>sum_s g_s g_s^T</c> for sums), <c>[P, P]</c>: the uncentred covariance of per-sample gradients. Symmetric, positive
/// semi-definite, of rank M at most. Per-sample gradients are never made: with output gradients the product is <c>J^T (g_s (g_s . J v))</c>.
/// <para>
/// A sample is what has one target. Cross-entropy: one label, that is a row, or in sequence and image outputs <c>[N, C, ...]</c> each position that is not
/// ignored; one with class weight c counts c times (<c>sum_s c_s g_s g_s^T / sum_s c_s</c>, g_s without c). Squared error and binary cross-entropy: a
/// row with all its entries, whose loss is the mean over them (the sum for sums). The result does not depend on the division into batches, but for
/// train-mode batch norm, where g_s is what the sample's loss contributes to the batch's gradient.
/// </para>
/// <para>
/// It is the Fisher matrix with the observed targets in place of drawn ones, and so a curvature only near a fit (Kunstner, Balles, Hennig
/// 2019, Limitations of the Empirical Fisher Approximation). With C entries a row, means of squared error and binary cross-entropy make it
/// 1/C of the Fisher's size, since a row's loss is itself a mean. Cost of a product: that of the GGN.
/// </para>
/// </summary>
public sealed class EmpiricalFisherOperator : CurvatureOperator
{
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>); stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="CurvatureException">The objective is not split.</exception>
    public EmpiricalFisherOperator(Objective objective, CurvatureOptions? options = null) : base(objective.RequireSplit("The empirical Fisher matrix"), options)
    {
    }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        Objective.EnsureLinearizable("the empirical Fisher matrix");
        base.Prepare();
    }

    /// <inheritdoc/>
    protected override BatchLinearization Linearize(ObjectiveBatch batch) =>
        OutputSandwich.Of(batch, Parameters, Options.Extensions, curvature => [curvature.ObservedGradient()]);
}
