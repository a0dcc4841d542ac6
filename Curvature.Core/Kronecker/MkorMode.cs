namespace Curvature.Kronecker;

/// <summary>Which recurrence a momentum inverse follows: three that go by the name of MKOR and are not the same. B is the inverse, v the new vector, gamma the decay.</summary>
public enum MkorMode
{
    /// <summary>
    /// The exact inverse of <c>L' = gamma L + (1 - gamma) v v^T</c> by Sherman and Morrison's formula: with <c>u = B v</c> and <c>c = (1 - gamma) / gamma</c>,
    /// <c>B' = (B - c u u^T / (1 + c v^T u)) / gamma</c>.
    /// </summary>
    Exact,

    /// <summary>
    /// What the authors' package computes: <c>B = 0.95 B + 0.05 I</c>, then <c>B' = B - B v v^T B / (1 + v^T B v)</c>, whatever decay is asked for, and nothing at the first vector. The
    /// inverse of <c>B^-1 + v v^T</c>, never above I.
    /// </summary>
    Package,

    /// <summary>
    /// The formula as printed in the paper's algorithm, <c>B' = gamma B + (1 - gamma) / (gamma^2 (1 + gamma (1 - gamma) v^T B v)) B v v^T B</c>: it grows where the exact inverse
    /// shrinks, diverges for vectors of unit size and vanishes for small ones. For comparison; without the paper's mixing with I, whose threshold has no number there.
    /// </summary>
    Printed,
}
