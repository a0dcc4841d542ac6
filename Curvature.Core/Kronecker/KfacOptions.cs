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

    /// <summary>Refuses settings out of range.</summary>
    internal KfacOptions Checked()
    {
        if (Samples < 1 || FullBlockLimit < 0 || Decay is not (> 0 and <= 1))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected at least 1 sample, a full-block limit that is not negative and a decay in (0, 1]; got {Samples}, {FullBlockLimit} and {Decay}."));
        }

        return this;
    }
}
