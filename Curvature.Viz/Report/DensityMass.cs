using Curvature.Estimators;

namespace Curvature.Viz.Report;

/// <summary>
/// How much of a spectrum is flat and how much curves downwards. "Near zero" is a band of <see cref="Fraction"/> of the largest
/// magnitude on both sides of zero; below it an eigenvalue counts as negative.
/// </summary>
/// <param name="Band">Half-width of the band, in units of the eigenvalues.</param>
/// <param name="NearZero">Fraction of eigenvalues with <c>|lambda| &lt;= Band</c>.</param>
/// <param name="Negative">Fraction of eigenvalues with <c>lambda &lt; -Band</c>.</param>
public sealed record DensityMass(double Band, Estimate NearZero, Estimate Negative)
{
    /// <summary>The band's half-width as a fraction of the largest magnitude.</summary>
    public const double Fraction = 0.01;

    /// <summary>Reads both masses off a density.</summary>
    public static DensityMass Of(SpectralDensity density)
    {
        double band = Fraction * Math.Max(Math.Abs(density.Minimum), Math.Abs(density.Maximum));
        double below = Math.BitDecrement(-band); // masses are of (low, high]
        return new DensityMass(band, density.Mass(below, band), density.Cumulative(below));
    }
}
