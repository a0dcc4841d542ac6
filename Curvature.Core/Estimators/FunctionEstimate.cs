namespace Curvature.Estimators;

/// <summary>A trace of a matrix function, or a number made of one, by stochastic Lanczos quadrature.</summary>
/// <param name="Estimate">The value with its standard error over the start vectors.</param>
/// <param name="QuadratureError">
/// How far the value moves when the second half of each run's steps is left out: at least about the size of the quadrature's own error, wherever twice the
/// steps halve it. It is not in the standard error. More steps make it smaller, more runs do not. 0 where every run ended because it had seen the whole spectrum.
/// </param>
/// <param name="Rules">The quadrature rules, one a run.</param>
public sealed record FunctionEstimate(Estimate Estimate, double QuadratureError, IReadOnlyList<QuadratureRule> Rules);
