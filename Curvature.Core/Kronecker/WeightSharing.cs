namespace Curvature.Kronecker;

/// <summary>
/// How the positions t of a sample (pixels, tokens, calls of one layer) that share a weight enter its factors. Sample n's gradient is <c>sum_t g_nt a_nt^T</c>. Eschenhagen, Immer,
/// Turner, Schneider, Hennig 2023, Kronecker-Factored Approximate Curvature for Modern Neural Network Architectures, section 3.
/// </summary>
public enum WeightSharing
{
    /// <summary>
    /// Every position a sample of its own: <c>A = mean_nt a a^T</c>, <c>G = sum_nt g g^T</c>. Exact for deep linear networks with a loss at each position. The default.
    /// </summary>
    Expand,

    /// <summary>
    /// The sample as a whole: <c>A = mean_n abar abar^T</c> with the mean input abar, <c>G = sum_n gsum gsum^T</c> with the summed gradient. Exact for deep linear networks that pool
    /// over the positions before the loss; cheaper by the number of positions. Tokens of an embedding stay expanded.
    /// </summary>
    Reduce,
}
