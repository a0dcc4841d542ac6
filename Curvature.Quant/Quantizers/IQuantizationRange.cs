namespace Curvature.Quant.Quantizers;

/// <summary>Which part of the values a grid spans; what lies outside is clipped.</summary>
public interface IQuantizationRange
{
    /// <summary>The range of one channel.</summary>
    /// <param name="values">The channel's values, at least one, finite.</param>
    /// <param name="codes">The grid that a quantizer puts over a range.</param>
    (double Low, double High) Of(ReadOnlySpan<double> values, Func<double, double, AffineCodes> codes);
}
