namespace Curvature.Sharpness;

/// <summary>
/// The largest learning rate eta at which an optimizer stays bounded on a quadratic loss whose largest curvature is lambda, all other curvatures being at least 0: beyond it the component along
/// that eigenvector grows from step to step. From the roots of each rule's characteristic polynomial being inside the unit circle. For a full batch; gradient noise lowers the
/// limit. Where lambda is 0 or negative there is no such limit: infinity.
/// </summary>
public static class StableRates
{
    /// <summary><c>theta = theta - eta g</c>: <c>2 / lambda</c>.</summary>
    /// <param name="lambda">Largest eigenvalue of the Hessian.</param>
    public static double GradientDescent(double lambda) => HeavyBall(lambda, 0);

    /// <summary><c>v = beta v + g, theta = theta - eta v</c> (Polyak 1964; TorchSharp's <c>SGD</c> with momentum): <c>(2 + 2 beta) / lambda</c>.</summary>
    /// <param name="lambda">Largest eigenvalue of the Hessian.</param>
    /// <param name="beta">Momentum, in [0, 1).</param>
    /// <exception cref="CurvatureException">A momentum outside [0, 1), or a lambda that is NaN.</exception>
    public static double HeavyBall(double lambda, double beta) => Limit((2 + (2 * Momentum(beta))) / Curvature(lambda), lambda);

    /// <summary>
    /// <c>v = beta v + g, theta = theta - eta (g + beta v)</c> (Nesterov 1983; TorchSharp's <c>SGD</c> with nesterov): <c>(2 + 2 beta) / ((1 + 2 beta) lambda)</c>.
    /// </summary>
    /// <param name="lambda">Largest eigenvalue of the Hessian.</param>
    /// <param name="beta">Momentum, in [0, 1).</param>
    /// <exception cref="CurvatureException">A momentum outside [0, 1), or a lambda that is NaN.</exception>
    public static double Nesterov(double lambda, double beta) => Limit((2 + (2 * Momentum(beta))) / ((1 + (2 * beta)) * Curvature(lambda)), lambda);

    /// <summary>
    /// <c>m = beta m + (1 - beta) g, theta = theta - eta P^{-1} m</c> with P held: <c>(2 + 2 beta) / ((1 - beta) lambda)</c>, lambda the largest eigenvalue of <c>P^{-1} H</c>
    /// (<see cref="Operators.CongruenceOperator"/> with <c>P^{-1/2}</c>); 38 / lambda for Adam's 0.9, with <c>P = diag(sqrt(v) + eps)</c>, bias corrections included. Cohen et al. 2022,
    /// Adaptive Gradient Methods at the Edge of Stability, arXiv:2207.14484.
    /// </summary>
    /// <param name="preconditionedLambda">Largest eigenvalue of <c>P^{-1} H</c>.</param>
    /// <param name="beta">beta_1, in [0, 1).</param>
    /// <exception cref="CurvatureException">A beta outside [0, 1), or a lambda that is NaN.</exception>
    public static double Adam(double preconditionedLambda, double beta = 0.9) => HeavyBall(preconditionedLambda, beta) / (1 - beta);

    private static double Limit(double rate, double lambda) => lambda > 0 ? rate : double.PositiveInfinity;

    private static double Curvature(double lambda) => double.IsNaN(lambda) ? throw new CurvatureException("The largest curvature is NaN: no learning rate follows from it.") : lambda;

    private static double Momentum(double beta) =>
        beta is >= 0 and < 1 ? beta : throw new CurvatureException(FormattableString.Invariant($"A momentum lies in [0, 1); got {beta}."));
}
