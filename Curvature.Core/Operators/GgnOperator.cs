using Curvature.Objectives;

namespace Curvature.Operators;

/// <summary>
/// The generalised Gauss-Newton matrix <c>G = sum_b w_b J_b^T H_b J_b / sum_b w_b + lambda I</c> (means; without the divisor for sums), <c>[P, P]</c>: J_b the
/// Jacobian of the model's outputs on batch b, H_b the Hessian of the batch's loss in the outputs, both reductions included. Symmetric and
/// positive semi-definite: the Hessian of the loss with the model linearised at theta, equal to the Fisher matrix of the model's predictive
/// distribution for these losses, and to the Hessian where the residuals vanish.
/// <para>
/// Cost of a product on kept graphs: one <c>J v</c> by double backward and one <c>J^T u</c>, about 1.2 (dense layers) to 1.5 gradients (transformers);
/// fresh graphs add a forward pass and a backward one. Memory: the graphs of the outputs and of their pullback, and one tensor of the outputs' size;
/// H_b is applied in closed form and nothing is squared in the number of classes.
/// </para>
/// <para>
/// Schraudolph 2002, Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent; <c>J v</c> by two vector-Jacobian products. At the kinks of
/// piecewise-linear layers the derivative is that of automatic differentiation.
/// </para>
/// </summary>
public sealed class GgnOperator : CurvatureOperator
{
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>); stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="CurvatureException">The objective is not split.</exception>
    public GgnOperator(Objective objective, CurvatureOptions? options = null) : base(objective.RequireSplit("The GGN"), options)
    {
    }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        Objective.EnsureLinearizable("the GGN");
        base.Prepare();
    }

    /// <inheritdoc/>
    protected override BatchLinearization Linearize(ObjectiveBatch batch) => OutputSandwich.Of(batch, Parameters, Options.Extensions);
}
