using Curvature.Estimators;

namespace Curvature.Viz.Report;

/// <summary>
/// How much of a spectrum is flat and how much curves downwards. "Near zero" is a band of <see cref="SpectralDensity.NearZeroFraction"/> of the
/// largest magnitude on both sides of zero; below it an eigenvalue counts as negative.
/// </summary>
/// <param name="Band">Half-width of the band, in units of the eigenvalues.</param>
/// <param name="NearZero">Fraction of eigenvalues with <c>|lambda| &lt;= Band</c>.</param>
/// <param name="Negative">Fraction of eigenvalues with <c>lambda &lt; -Band</c>.</param>
public sealed record DensityMass(double Band, Estimate NearZero, Estimate Negative)
{
    /// <summary>Reads both masses off a density.</summary>
    public static DensityMass Of(SpectralDensity density) =>
        new(density.NearZero, density.Mass(Math.BitDecrement(-density.NearZero), density.NearZero), density.NegativeMass()); // masses are of (low, high]
}
