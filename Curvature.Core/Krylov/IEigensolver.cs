using Curvature.Operators;

namespace Curvature.Krylov;

/// <summary>Finds extreme eigenpairs of a symmetric operator by products with it. See <see cref="KnownEigensolvers"/>.</summary>
public interface IEigensolver
{
    /// <summary>Finds the eigenpairs.</summary>
    /// <param name="a">A symmetric operator.</param>
    /// <param name="progress">Told as products are spent.</param>
    /// <param name="cancellation">Ends between two products.</param>
    /// <returns>Converged or not, with residuals. The caller disposes it.</returns>
    /// <exception cref="CurvatureException">Not symmetric, or settings out of range.</exception>
    Eigenpairs Solve(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default);
}
