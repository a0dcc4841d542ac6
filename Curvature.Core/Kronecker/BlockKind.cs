namespace Curvature.Kronecker;

/// <summary>What stands for a parameter's diagonal block of the curvature matrix.</summary>
public enum BlockKind
{
    /// <summary>A Kronecker product <c>G (x) A</c>, one a group of a convolution.</summary>
    Kronecker,

    /// <summary>The whole block from per-sample gradients: few entries, such as a bias or a normalisation's scale and shift.</summary>
    Full,

    /// <summary>The block's diagonal from per-sample gradients.</summary>
    Diagonal,

    /// <summary>
    /// The diagonal from whole batches' gradients, for parameters whose layers are not understood: squares of <c>sum_n +-g_n</c> with random signs (or independent draws), unbiased for
    /// <c>sum_n g_n^2</c> but noisy.
    /// </summary>
    BatchDiagonal,

    /// <summary>Zero: the parameter is frozen.</summary>
    Zero,
}
