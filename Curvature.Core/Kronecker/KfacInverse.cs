namespace Curvature.Kronecker;

/// <summary>
/// <c>(B + lambda I)^{-1}</c> of a layer-wise curvature approximation B, block by block: a preconditioner (<see cref="Krylov.ConjugateGradient"/>), a natural-gradient step, a Laplace
/// covariance. Blocks that are Kronecker products are damped as the <see cref="DampingRule"/> says; all others (small full ones, diagonals, EKFAC's) exactly, whatever the rule.
/// <para>
/// Cost: for <see cref="DampingRule.PiSplit"/> and <see cref="DampingRule.Unsplit"/> a Cholesky inverse of each factor and two matrix products a layer when applied; for
/// <see cref="DampingRule.ExactEigen"/> an eigendecomposition of each factor, three times that for factors of some hundred rows, and four products. Factors of float32 are factored in float32 and again in float64 where that
/// fails.
/// </para>
/// </summary>
public sealed class KfacInverse : LayerwiseOperator
{
    /// <param name="b">A <see cref="KfacOperator"/>, <see cref="EkfacOperator"/> or another of their kind; stays the caller's.</param>
    /// <param name="damping">lambda, positive and finite.</param>
    /// <param name="rule">What the damped inverse of a product is computed as.</param>
    /// <exception cref="CurvatureException">A damping that is not positive, or a factor that cannot be factored: the message names the layer.</exception>
    public KfacInverse(LayerwiseOperator b, double damping, DampingRule rule = DampingRule.PiSplit)
        : base(b.Parameters, b.Registration, Invert(b, Positive(damping), rule)) => (Damping, Rule) = (damping, rule);

    /// <summary>lambda.</summary>
    public double Damping { get; }

    /// <summary>How products are damped.</summary>
    public DampingRule Rule { get; }

    /// <summary>The damping, refused where it is not positive.</summary>
    internal static double Positive(double damping) => double.IsFinite(damping) && damping > 0
        ? damping
        : throw new CurvatureException(FormattableString.Invariant(
            $"Damping is a positive finite number: curvature approximations have null directions, on which only the damping makes an inverse. Got {damping}."));

    private static List<(LayerBlock Block, IReadOnlyList<int> Indices)> Invert(LayerwiseOperator b, double damping, DampingRule rule)
    {
        using IDisposable noGrad = TorchSharp.torch.no_grad();
        List<(LayerBlock, IReadOnlyList<int>)> inverses = [];
        try
        {
            foreach ((LayerBlock block, IReadOnlyList<int> indices) in b.Blocks)
            {
                inverses.Add((block.Inverse(damping, rule), indices));
            }
        }
        catch
        {
            inverses.ForEach(i => i.Item1.Dispose());
            throw;
        }

        return inverses;
    }
}
