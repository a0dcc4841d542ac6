using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>Slices of a loss through one checkpoint.</summary>
/// <param name="Unit">What positions along the lines measure, in words.</param>
/// <param name="Curves">The lines with their names, one or two.</param>
/// <param name="Surface">The plane of two lines, where it was looked at: across is the first, up the second.</param>
public sealed record LandscapeSummary(string Unit, IReadOnlyList<(string Name, LandscapeCurve Curve)> Curves, LandscapeSurface? Surface)
{
    /// <summary>The eigenvalues whose eigenvectors the lines follow; empty for other directions.</summary>
    public IReadOnlyList<Eigenvalue> Eigenvalues { get; init; } = [];

    /// <summary>Hessian products spent.</summary>
    public int Products { get; init; }
}
