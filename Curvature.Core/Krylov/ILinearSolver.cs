using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>Solves <c>A x = b</c> by products with A. See <see cref="KnownSolvers"/>.</summary>
public interface ILinearSolver
{
    /// <summary>Solves one system.</summary>
    /// <param name="a">The matrix; what it must be (symmetric, positive definite, square) is the solver's to say.</param>
    /// <param name="b"><c>[Rows]</c>, of the operator's dtype and device.</param>
    /// <param name="preconditioner">An approximation of <c>A^{-1}</c>, cheap to apply; its products are not counted. Null: none.</param>
    /// <param name="progress">Told after each iteration.</param>
    /// <param name="cancellation">Ends between two products.</param>
    /// <returns>The solution, converged or not, with its true residual. The caller disposes it.</returns>
    /// <exception cref="CurvatureException">Shapes that do not fit, or a matrix that the method is not for.</exception>
    /// <exception cref="NonFiniteException">The right-hand side or a product is NaN or infinite.</exception>
    LinearSolution Solve(
        LinearOperator a,
        Tensor b,
        LinearOperator? preconditioner = null,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default);
}
