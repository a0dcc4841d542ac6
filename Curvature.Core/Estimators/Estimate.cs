using MathNet.Numerics.Distributions;

namespace Curvature.Estimators;

/// <summary>A number with its uncertainty and its price.</summary>
/// <param name="Value">The estimate.</param>
/// <param name="StandardError">
/// One standard deviation of <paramref name="Value"/> over the randomness of the probes (not of the data); 0 where the value is exact.
/// </param>
/// <param name="Products">Matrix-vector products spent, over the whole data set each.</param>
/// <param name="Samples">Independent samples behind <paramref name="StandardError"/>; 0 where the value is exact.</param>
public sealed record Estimate(double Value, double StandardError, int Products, int Samples)
{
    /// <value>What is known of the sampling law where quadrature runs are the samples; null: that the samples are independent.</value>
    internal QuadratureSpread? Spread { get; init; }

    /// <summary>A value known without sampling error.</summary>
    public static Estimate Exact(double value, int products) => new(value, 0, products, 0);

    /// <summary>
    /// Mean of independent samples with standard error <c>s / sqrt(n)</c>, <c>s^2 = sum (x - mean)^2 / (n - 1)</c>.
    /// One sample has an unknown error: NaN.
    /// </summary>
    public static Estimate FromSamples(IReadOnlyCollection<double> samples, int products)
    {
        ArgumentOutOfRangeException.ThrowIfZero(samples.Count);
        double first = samples.First(), mean = samples.All(x => x == first) ? first : samples.Average(); // of equal samples exactly theirs, with an error of 0
        double squares = samples.Sum(x => (x - mean) * (x - mean));
        double standardError = samples.Count > 1 ? Math.Sqrt(squares / (samples.Count - 1) / samples.Count) : double.NaN;
        return new Estimate(mean, standardError, products, samples.Count);
    }

    /// <summary>
    /// Two-sided confidence interval <c>value -+ t SE</c> with the Student-t quantile of <c>Samples - 1</c> degrees of freedom; of what Lanczos quadrature gives (<see cref="FunctionTrace"/>, shares and heights of a
    /// <see cref="SpectralDensity"/>) a score interval that follows the skewness of its samples, longer on one side.
    /// </summary>
    /// <param name="level">Coverage in (0, 1).</param>
    public (double Low, double High) ConfidenceInterval(double level = 0.95)
    {
        if (level is not (> 0 and < 1))
        {
            throw new ArgumentOutOfRangeException(nameof(level), level, "A confidence level lies between 0 and 1.");
        }

        if (Spread is not null && Samples > 1)
        {
            (double low, double high) = Spread.Offsets(StandardError, Samples, level);
            return (Value + low, Value + high);
        }

        double half = HalfWidth(level);
        return (Value - half, Value + half);
    }

    /// <summary>Half the width of the confidence interval; infinite with fewer than two samples, 0 for an exact value.</summary>
    internal double HalfWidth(double level) => Samples switch
    {
        0 => 0,
        1 => double.PositiveInfinity,
        _ when Spread is not null => Spread.Offsets(StandardError, Samples, level) is var (low, high) ? (high - low) / 2 : 0,
        _ => StandardError * StudentT.InvCDF(0, 1, Samples - 1, 0.5 + (level / 2)),
    };
}
