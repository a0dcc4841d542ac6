using Curvature.Operators;

namespace Curvature.Estimators;

/// <summary>
/// Schatten norm, <c>|A|_p = (sum_i sigma_i^p)^(1/p)</c> over the singular values: p = 1 the nuclear norm, 2 the Frobenius norm, large p towards the operator norm.
/// By stochastic Lanczos quadrature of <c>|x|^p</c> on a symmetric A, of <c>x^(p/2)</c> on <c>A^T A</c> or <c>A A^T</c>, the smaller, otherwise (two products a step there). The
/// error of the sum is carried over to its root: <c>SE / (p sum) * norm</c>.
/// </summary>
public sealed record SchattenNorm
{
    /// <value>The order p, positive. Below 1 it is no norm, and its sum of powers is still estimated. Default 1.</value>
    public double Order { get; init; } = 1;

    /// <value>The quadrature's steps, runs, tolerance (of the sum of powers) and seed.</value>
    public FunctionTrace Quadrature { get; init; } = new();

    /// <summary><c>|A|_p</c>.</summary>
    /// <param name="a">Any operator; one that is not symmetric needs a product with its transpose.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    /// <exception cref="CurvatureException">The order is not positive; as <see cref="FunctionTrace.Estimate"/> otherwise.</exception>
    public FunctionEstimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (!(Order > 0) || !double.IsFinite(Order))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"A Schatten norm has a positive order; got {Order}. The limit of large orders is {nameof(OperatorNorm)}."));
        }

        double exponent = a.IsSymmetric ? Order : Order / 2;
        using GramOperator? gram = a.IsSymmetric ? null : new GramOperator(a.Rows < a.Columns ? a.Transpose() : a);
        FunctionEstimate sum = Quadrature.Estimate(gram ?? a, x => Math.Pow(Math.Abs(x), exponent), progress, cancellation);
        double norm = Math.Pow(sum.Estimate.Value, 1 / Order);
        double slope = norm == 0 ? 0 : norm / (Order * sum.Estimate.Value);
        return new FunctionEstimate(
            sum.Estimate with
            {
                Value = norm,
                StandardError = slope * sum.Estimate.StandardError,
                Spread = sum.Estimate.Spread?.Times(slope),
                Products = sum.Estimate.Products * (gram is null ? 1 : 2),
            },
            slope * sum.QuadratureError,
            sum.Rules);
    }
}
