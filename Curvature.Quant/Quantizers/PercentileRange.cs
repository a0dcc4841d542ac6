namespace Curvature.Quant.Quantizers;

/// <summary>
/// Without the outermost values: the top is the k-th smallest of n values, <c>k = round(n Percent / 100)</c>, the bottom the same of their negatives (HAWQ: Dong et al. 2019, the code's
/// <c>get_percentile_min_max</c>).
/// </summary>
/// <param name="Percent">Above 0 and at most 100, which is <see cref="MinMaxRange"/>.</param>
public sealed record PercentileRange(double Percent) : IQuantizationRange
{
    /// <inheritdoc/>
    /// <exception cref="CurvatureException"><see cref="Percent"/> is out of range.</exception>
    public (double Low, double High) Of(ReadOnlySpan<double> values, Func<double, double, AffineCodes> codes)
    {
        if (Percent is not (> 0 and <= 100))
        {
            throw new CurvatureException($"Expected a percentile above 0 and up to 100, got {Percent}; 99.9 clips one value in a thousand at each end.");
        }

        double[] sorted = values.ToArray();
        Array.Sort(sorted);
        int k = Math.Max(1, (int)Math.Round(sorted.Length * Percent / 100, MidpointRounding.ToEven));
        return (sorted[^k], sorted[k - 1]);
    }
}
