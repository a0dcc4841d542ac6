namespace Curvature.Krylov;

/// <summary>Settings that every eigensolver has.</summary>
public sealed record EigensolverOptions
{
    /// <value>How many eigenvalues. Default 1.</value>
    public int Count { get; init; } = 1;

    /// <value>Which ones. Default: largest magnitude.</value>
    public Spectrum Which { get; init; } = Spectrum.Magnitude;

    /// <value>A pair has converged when its residual is at most this times the largest |eigenvalue|. Default 1e-5.</value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>Products to spend, at most. Default 1000.</value>
    public int MaxProducts { get; init; } = 1000;

    /// <value>Seed of the start vectors.</value>
    public int Seed { get; init; }
}
