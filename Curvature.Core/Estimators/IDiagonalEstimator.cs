using Curvature.Operators;

namespace Curvature.Estimators;

/// <summary>A way to estimate the diagonal of a matrix that is known by its products. <see cref="KnownDiagonalEstimators"/> lists them.</summary>
public interface IDiagonalEstimator
{
    /// <summary>Estimates the diagonal.</summary>
    /// <param name="a">A square operator <c>[P, P]</c>.</param>
    /// <param name="progress">Told after each chunk of products.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    /// <returns>Every entry with its standard error; the caller disposes it.</returns>
    /// <exception cref="CurvatureException">Not square, settings out of range, or too little memory.</exception>
    DiagonalEstimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default);
}
