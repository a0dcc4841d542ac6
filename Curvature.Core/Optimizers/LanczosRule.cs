namespace Curvature.Optimizers;

/// <summary>How learning rate and momentum follow from the ends mu and L of a spectrum.</summary>
public enum LanczosRule
{
    /// <summary>
    /// <c>lr = 4 / (sqrt L + sqrt mu)^2</c>, <c>momentum = ((sqrt L - sqrt mu) / (sqrt L + sqrt mu))^2</c>: on a quadratic the error falls by the root of the momentum a step, which no other pair betters (Polyak
    /// 1964, Some Methods of Speeding up the Convergence of Iteration Methods).
    /// </summary>
    Polyak,

    /// <summary><c>lr = 2 / (L + mu)</c>, no momentum: the best that gradient descent can do.</summary>
    GradientDescent,

    /// <summary>
    /// <c>lr = sqrt(mu / L)</c>, <c>momentum = (sqrt L - sqrt mu) / (sqrt L + sqrt mu)</c>, as published code for stochastic Lanczos quadrature has it: the rate does not scale with the matrix and the momentum is
    /// not squared. For comparisons.
    /// </summary>
    Published,
}
