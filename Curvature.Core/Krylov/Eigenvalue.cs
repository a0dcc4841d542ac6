namespace Curvature.Krylov;

/// <summary>An approximate eigenvalue with its error bound.</summary>
/// <param name="Value">The Ritz value <c>x^T A x</c>, <c>|x| = 1</c>.</param>
/// <param name="Residual">
/// <c>|A x - value x|</c>, measured with a product of its own: for symmetric A an exact eigenvalue lies within this distance
/// (Parlett 1998, The Symmetric Eigenvalue Problem, theorem 4.5.1).
/// </param>
/// <param name="Converged">Whether the residual reached the asked tolerance.</param>
public sealed record Eigenvalue(double Value, double Residual, bool Converged);
