namespace Curvature.Quant.Quantizers;

/// <summary>From the smallest to the largest value: nothing is clipped.</summary>
public sealed record MinMaxRange : IQuantizationRange
{
    /// <inheritdoc/>
    public (double Low, double High) Of(ReadOnlySpan<double> values, Func<double, double, AffineCodes> codes)
    {
        (double low, double high) = (values[0], values[0]);
        foreach (double x in values)
        {
            (low, high) = (Math.Min(low, x), Math.Max(high, x));
        }

        return (low, high);
    }
}
