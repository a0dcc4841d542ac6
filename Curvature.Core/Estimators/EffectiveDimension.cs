using Curvature.Operators;
using Curvature.Tensors;

namespace Curvature.Estimators;

/// <summary>
/// Number of directions in which the data outweighs the damping, <c>tr A (A + gamma I)^-1 = sum_i lambda_i / (lambda_i + gamma)</c> (MacKay 1992, Bayesian Interpolation,
/// section 4.4: the number of well-determined parameters), by stochastic Lanczos quadrature. Between 0 and the rank for a positive semidefinite matrix; an eigenvalue
/// between <c>-gamma</c> and 0 counts negatively.
/// </summary>
public sealed record EffectiveDimension
{
    /// <value>gamma, in units of the eigenvalues; positive.</value>
    public required double Damping { get; init; }

    /// <value>The quadrature's steps, runs, tolerance and seed.</value>
    public FunctionTrace Quadrature { get; init; } = new();

    /// <summary><c>sum_i lambda_i / (lambda_i + gamma)</c>.</summary>
    /// <param name="a">A symmetric operator.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    /// <exception cref="CurvatureException">Not symmetric, an eigenvalue at or below <c>-gamma</c>, or settings out of range.</exception>
    public FunctionEstimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (!(Damping > 0) || !double.IsFinite(Damping))
        {
            throw new CurvatureException(FormattableString.Invariant($"The effective dimension needs a positive damping; got {Damping}."));
        }

        double epsilon = Precision.Epsilon(a.DType);
        return Quadrature.EstimateChecked(
            a, x => x / (x + Damping), rules => LogDeterminant.RequirePositive(rules, Damping, epsilon, "effective dimension"), progress, cancellation);
    }
}
