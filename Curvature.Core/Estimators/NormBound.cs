namespace Curvature.Estimators;

/// <summary>An operator norm between two bounds.</summary>
/// <param name="Value">The largest Ritz value's magnitude: never above the norm, whatever happened.</param>
/// <param name="Residual"><c>|A x - value x|</c> of its vector: some eigenvalue (of <c>A^T A</c>: squared singular value) lies this near.</param>
/// <param name="UpperBound">The norm is at most this, with at least the stated probability over the start vector.</param>
/// <param name="Probability">Of the upper bound.</param>
/// <param name="Products">Products spent.</param>
public sealed record NormBound(double Value, double Residual, double UpperBound, double Probability, int Products);
