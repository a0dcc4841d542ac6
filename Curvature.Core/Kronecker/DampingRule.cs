namespace Curvature.Kronecker;

/// <summary>
/// What <c>(G (x) A + lambda I)^{-1}</c> is computed as. Sources mean four different things by "damping"; for factors <c>A = diag(4, 1)</c> and
/// <c>G = diag(1, 0.01)</c> with lambda 0.01 the inverse's entries, at the eigenvalue pairs (4, 1), (1, 1), (4, 0.01), (1, 0.01), are
/// <code>
/// ExactEigen   0.249   0.990   20.0   50.0      1 / (s_a s_g + lambda)
/// PiSplit      0.227   0.783   4.31   14.9      pi = 2.225: A + 0.2225 I, G + 0.0449 I
/// Unsplit      0.247   0.980   12.5   49.5      A + 0.01 I, G + 0.01 I
/// </code>
/// On null directions of both factors the exact inverse is <c>1 / lambda</c>, the pi-split one <c>1 / lambda</c> too, and the unsplit one <c>1 / lambda^2</c>; on null directions of one factor
/// the split ones fall short of <c>1 / lambda</c> by the other factor's size.
/// </summary>
public enum DampingRule
{
    /// <summary>
    /// <c>(G + sqrt(lambda) / pi I)^{-1} (x) (A + pi sqrt(lambda) I)^{-1}</c> with <c>pi^2 = (tr A / dim A) / (tr G / dim G)</c>: one inverse a factor. Martens and Grosse 2015, Optimizing Neural
    /// Networks with Kronecker-factored Approximate Curvature, section 6.3. The default. Where a factor is zero, pi is 1.
    /// </summary>
    PiSplit,

    /// <summary><c>U (S_g (x) S_a + lambda I)^{-1} U^T</c>: the damped inverse itself, by the factors' eigenvectors.</summary>
    ExactEigen,

    /// <summary>
    /// <c>(G + lambda I)^{-1} (x) (A + lambda I)^{-1}</c>: lambda on each factor, as the inverse mode of kfac-pytorch has it. Not homogeneous: what it does depends on how the block's scale is
    /// spread over the two factors.
    /// </summary>
    Unsplit,
}
