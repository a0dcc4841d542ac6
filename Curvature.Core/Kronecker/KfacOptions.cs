namespace Curvature.Kronecker;

/// <summary>How Kronecker factors are gathered.</summary>
public sealed record KfacOptions
{
    /// <value>Which gradients make the factor G. Default <see cref="FactorGradients.MonteCarlo"/>.</value>
    public FactorGradients Gradients { get; init; } = FactorGradients.MonteCarlo;

    /// <value>Draws for <see cref="FactorGradients.MonteCarlo"/>, a backward pass each. Default 1.</value>
    public int Samples { get; init; } = 1;

    /// <value>Seed of the draws and signs; those of an update depend on (Seed, number of the update) alone.</value>
    public int Seed { get; init; }

    /// <value>How positions that share a weight enter. Default <see cref="WeightSharing.Expand"/>.</value>
    public WeightSharing Sharing { get; init; } = WeightSharing.Expand;

    /// <value>
    /// Up to how many entries a layer without Kronecker factors (normalisations, a bias alone) gets its whole block rather than the diagonal. Default 128; memory and an update's cost grow
    /// with the square, an inverse's with the cube.
    /// </value>
    public long FullBlockLimit { get; init; } = 128;

    /// <value>
    /// rho, in (0, 1]: what an update leaves of the earlier ones. Factors are <c>sum_j rho^(k-j) x_j / sum_j rho^(k-j) w_j</c> over the updates j = 1..k, with the sums x_j over update j's
    /// samples and their number w_j: the exponential moving average with its bias corrected, in which batches count by their size. Default 0.95; 1 averages over all updates.
    /// </value>
    public double Decay { get; init; } = 0.95;

    /// <value>
    /// Whether the first <c>1 / (1 - rho)</c> updates count alike: the running mean <c>F_k = e_k F_(k-1) + (1 - e_k) x_k</c> with <c>e_k = min(1 - 1/k, rho)</c> of Martens and Grosse 2015, section 5. Default false.
    /// </value>
    public bool StartsEven { get; init; }

    /// <value>
    /// Whether the moving average starts as the identity, <c>F_0 = I</c>, <c>F_k = rho F_(k-1) + (1 - rho) x_k</c>, without correction of its bias, as kfac-pytorch has it; exactly so for batches of one size. Default false.
    /// </value>
    public bool StartsAtIdentity { get; init; }

    /// <value>
    /// Whether G is made of the gradients of a mean loss as autograd has them, <c>(1/N) sum g g^T</c> over rows, N^2 times smaller than of single terms, as kfac-pytorch has it. For
    /// <see cref="FactorGradients.Empirical"/> in an optimizer. Default false.
    /// </value>
    public bool UnscaledGradients { get; init; }

    /// <summary>Refuses settings out of range.</summary>
    internal KfacOptions Checked()
    {
        if (StartsAtIdentity && (StartsEven || Decay == 1))
        {
            throw new CurvatureException("A moving average that starts as the identity has a decay below 1 and does not start even.");
        }

        if (UnscaledGradients && Gradients != FactorGradients.Empirical)
        {
            throw new CurvatureException($"Unscaled gradients are those of {nameof(FactorGradients)}.{FactorGradients.Empirical}; got {Gradients}.");
        }

        if (Samples < 1 || FullBlockLimit < 0 || Decay is not (> 0 and <= 1))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected at least 1 sample, a full-block limit that is not negative and a decay in (0, 1]; got {Samples}, {FullBlockLimit} and {Decay}."));
        }

        return this;
    }
}
