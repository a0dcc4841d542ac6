namespace Curvature.Sharpness;

/// <summary>
/// The ends of a mini-batch Hessian's spectrum as a function of the batch size, from those of the full Hessian and the samples' noise, taken for a random matrix. With <c>t^2 = s^2 (1/b - 1/N)</c>, the square of
/// the noise at batch size b without replacement, an eigenvalue lambda of H beyond t becomes <c>lambda + t^2 / lambda</c>; the rest drowns in the noise, whose own spectrum ends at <c>+-2 t</c>.
/// In entries: noise of variance <c>sigma^2 / b</c> in each of the P x P has <c>s^2 = P sigma^2</c>. Granziol, Zohren and Roberts 2022, Learning Rates as a Function of Batch Size: A Random Matrix Theory Approach
/// to Neural Network Training, theorem 1 (after Benaych-Georges and Nadakuditi 2011); the finite N replaces b by <c>b / (1 - b/N)</c>.
/// </summary>
/// <param name="Largest">lambda_max of the full Hessian.</param>
/// <param name="Smallest">lambda_min of it.</param>
/// <param name="Noise">
/// <c>s^2 = E_i |(H_i - H) z|^2</c> for one sample i and a unit vector z: isotropic noise is what theory asks for; the noise that meets the sharpest direction is what a network has. See <see cref="HessianNoise"/>.
/// </param>
/// <param name="Samples">N; infinite for fresh data.</param>
public sealed record BatchSizeLaw(double Largest, double Smallest, double Noise, double Samples = double.PositiveInfinity)
{
    /// <summary>
    /// The batch size below which the sharpest direction drowns in noise, <c>s^2 (1/b - 1/N) = lambda_max^2</c>. There the largest eigenvalue is twice that of the full batch; above it the stable rate of
    /// gradient descent levels off, below it falls with the root of b.
    /// </summary>
    public double CriticalBatch => Largest > 0 ? 1 / ((Largest * Largest / Noise) + (1 / Samples)) : Samples;

    /// <summary>lambda_max of the batch Hessian.</summary>
    /// <param name="batchSize">b.</param>
    public double LargestAt(double batchSize)
    {
        double square = NoiseAt(batchSize), noise = Math.Sqrt(square);
        return square == 0 ? Largest : Largest <= noise ? 2 * noise : Largest + (square / Largest);
    }

    /// <summary>lambda_min of the batch Hessian.</summary>
    /// <param name="batchSize">b.</param>
    public double SmallestAt(double batchSize)
    {
        double square = NoiseAt(batchSize), noise = Math.Sqrt(square);
        return square == 0 ? Smallest : Smallest >= -noise ? -2 * noise : Smallest + (square / Smallest);
    }

    /// <summary>The largest stable rate of gradient descent on such batches, <c>2 / lambda_max(b)</c>.</summary>
    /// <param name="batchSize">b.</param>
    public double MaximalRate(double batchSize) => 2 / LargestAt(batchSize);

    /// <summary>
    /// What to multiply a learning rate with that was tuned at one batch size to use it at another: the ratio of the stable rates, and its root for rules that divide by the root of squared gradients (Adam), which
    /// already take the other half.
    /// </summary>
    /// <param name="from">The batch size of the tuned rate.</param>
    /// <param name="to">The other one.</param>
    /// <param name="adaptive">Whether the rule is of Adam's kind.</param>
    public double RateFactor(double from, double to, bool adaptive = false)
    {
        double ratio = LargestAt(from) / LargestAt(to);
        return adaptive ? Math.Sqrt(ratio) : ratio;
    }

    /// <summary>
    /// The least damping with which the batch Hessian is positive semi-definite, <c>max(0, -lambda_min(b))</c>: below it a second-order step divides by noise, since the noise's own eigenvalues reach that far.
    /// </summary>
    /// <param name="batchSize">b.</param>
    public double Damping(double batchSize) => Math.Max(0, -SmallestAt(batchSize));

    /// <summary>t^2.</summary>
    private double NoiseAt(double batchSize) => batchSize > 0
        ? Noise * Math.Max(0, (1 / batchSize) - (1 / Samples))
        : throw new CurvatureException(FormattableString.Invariant($"A batch size is positive; got {batchSize}."));
}
