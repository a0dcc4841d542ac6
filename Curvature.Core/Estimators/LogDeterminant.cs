using Curvature.Operators;
using Curvature.Tensors;

namespace Curvature.Estimators;

/// <summary>
/// <c>log det(A + lambda I) = sum_i log(lambda_i + lambda)</c> of a symmetric matrix that is positive definite after damping, by stochastic Lanczos quadrature of the logarithm
/// (Ubaru, Chen, Saad 2017, section 4). In nats; a Laplace approximation's evidence is made of it.
/// <para>
/// A quadrature node is never outside the spectrum, so a node at or below <c>-lambda</c> proves an eigenvalue there: the matrix is refused with that number, instead of
/// its logarithm being dropped.
/// </para>
/// </summary>
public sealed record LogDeterminant
{
    /// <value>lambda, in units of the eigenvalues, not negative. Default 0.</value>
    public double Damping { get; init; }

    /// <value>The quadrature's steps, runs, tolerance and seed.</value>
    public FunctionTrace Quadrature { get; init; } = new();

    /// <summary><c>log det(A + lambda I)</c>.</summary>
    /// <param name="a">A symmetric operator.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    /// <exception cref="CurvatureException">
    /// Not symmetric, or not positive definite, as soon as that shows (the message names the eigenvalue seen and the damping that it takes at least); settings out of range.
    /// </exception>
    public FunctionEstimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (!(Damping >= 0) || !double.IsFinite(Damping))
        {
            throw new CurvatureException(FormattableString.Invariant($"The damping is not negative; got {Damping}."));
        }

        double epsilon = Precision.Epsilon(a.DType);
        return Quadrature.EstimateChecked(
            a, x => Math.Log(x + Damping), rules => RequirePositive(rules, Damping, epsilon, "log-determinant"), progress, cancellation);
    }

    /// <summary>Refuses a matrix one of whose nodes, damped, is not above rounding.</summary>
    internal static void RequirePositive(IReadOnlyList<QuadratureRule> rules, double damping, double epsilon, string quantity)
    {
        double smallest = rules.Min(r => r.Nodes[0]);
        double scale = rules.Max(r => Math.Max(Math.Abs(r.Nodes[0]), Math.Abs(r.Nodes[^1])));
        if (smallest + damping <= 10 * epsilon * scale)
        {
            int below = rules.Max(r => r.Nodes.Count(x => x + damping <= 10 * epsilon * scale));
            throw new CurvatureException(FormattableString.Invariant(
                $"The {quantity} needs a positive definite matrix; with damping {damping:g6} this one has {below} quadrature node{(below == 1 ? "" : "s")} at or below rounding, down to the eigenvalue {smallest:g6}, and there may be lower ones. Use a damping well above {Math.Max(0, -smallest) + (10 * epsilon * scale):g6}."));
        }
    }
}
