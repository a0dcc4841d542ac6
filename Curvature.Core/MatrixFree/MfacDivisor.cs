namespace Curvature.MatrixFree;

/// <summary>What a window that is not full yet divides its sum of squares by.</summary>
public enum MfacDivisor
{
    /// <summary>
    /// Always m, its capacity, the missing gradients counting as zeros: the paper's own code. The first steps are long, for the first F is <c>lambda I + g g^T / m</c> and so
    /// <c>F^{-1} g = g / (lambda + |g|^2 / m)</c>, of norm m / |g| for a small lambda.
    /// </summary>
    Capacity,

    /// <summary>The number of gradients in the window: F is their mean from the first on.</summary>
    Count,
}
