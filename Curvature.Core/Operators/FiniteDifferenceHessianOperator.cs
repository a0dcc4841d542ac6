using Curvature.Objectives;

namespace Curvature.Operators;

/// <summary>
/// The Hessian by central differences of the gradient, <c>H v = |v| (g(theta + h u) - g(theta - h u)) / (2 h)</c> with <c>u = v / |v|</c>: for models with an
/// operator that cannot be differentiated twice, and as a check. <c>h = eps^(1/3) max(1, |theta|)</c> balances truncation (h^2) against rounding (eps / h);
/// it is a length in parameter space, so that <c>H(c v) = c H v</c>. <c>[P, P]</c>, symmetric up to its error: relative to |H v| about 1e-5 or better in
/// float64 and 1e-2 in float32 for losses of unit scale, and more where a step of h crosses kinks (ReLU, max pooling).
/// <para>
/// Cost of a product: two gradients and no graph kept; each vector of several takes its own two. The parameters are moved in place and put back bit by
/// bit, which voids the graphs that other operators keep; they notice and rebuild. <see cref="HessianOperator"/> falls back to the same differences with
/// <see cref="CurvatureOptions.FiniteDifferenceFallback"/>.
/// </para>
/// </summary>
public sealed class FiniteDifferenceHessianOperator : CurvatureOperator
{
    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    public FiniteDifferenceHessianOperator(Objective objective, CurvatureOptions? options = null) : base(objective, options)
    {
    }

    /// <inheritdoc/>
    protected override BatchLinearization Linearize(ObjectiveBatch batch) => new FiniteDifferences(batch, Parameters);
}
