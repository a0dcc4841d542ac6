using Curvature.Estimators;
using Curvature.Operators;

namespace Curvature.Sharpness;

/// <summary>
/// How far two curvature matrices over the same parameters are apart in the Frobenius norm: of a classifier's head over two domains it bounds how much better one domain can be served at the cost of the other (Hemati, Zhang,
/// Estiri and Chen 2023, Understanding Hessian Alignment for Domain Generalization, section 3, arXiv:2308.11778).
/// </summary>
/// <param name="Distance"><c>|A - B|_F</c>.</param>
/// <param name="First"><c>|A|_F</c>.</param>
/// <param name="Second"><c>|B|_F</c>.</param>
public sealed record HessianDistance(Estimate Distance, Estimate First, Estimate Second)
{
    /// <summary><c>2 |A - B| / (|A| + |B|)</c>, from 0 for equal matrices to 2 for opposite ones, about 1.4 for orthogonal ones.</summary>
    public double Relative => 2 * Distance.Value / (First.Value + Second.Value);

    /// <summary>Measures by products with both. The probes are the same for all three norms.</summary>
    /// <param name="a">A, e.g. the Hessian of one domain's loss over <c>ParameterSpace.Of(model, "fc2.*")</c>.</param>
    /// <param name="b">B, the same of another.</param>
    /// <param name="norm">How many probes, null: 64. As many as there are parameters give it exactly.</param>
    /// <param name="cancellation">Ends between two products.</param>
    /// <exception cref="CurvatureException">Matrices of different sizes.</exception>
    public static HessianDistance Between(LinearOperator a, LinearOperator b, FrobeniusNorm? norm = null, CancellationToken cancellation = default)
    {
        norm ??= new FrobeniusNorm();
        return new HessianDistance(norm.Estimate(a - b, cancellation: cancellation), norm.Estimate(a, cancellation: cancellation), norm.Estimate(b, cancellation: cancellation));
    }
}
