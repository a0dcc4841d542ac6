namespace Curvature.Krylov;

/// <summary>Settings that every eigensolver has.</summary>
public sealed record EigensolverOptions
{
    private const int ProductsEach = 200, FewestProducts = 1000;

    private readonly int? _maxProducts;

    /// <value>How many eigenvalues. Default 1.</value>
    public int Count { get; init; } = 1;

    /// <value>Which ones. Default: largest magnitude.</value>
    public Spectrum Which { get; init; } = Spectrum.Magnitude;

    /// <value>A pair has converged when its residual is at most this times the largest |eigenvalue|. Default 1e-5.</value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>Products to spend, at most. Default: 200 for each of <see cref="Count"/>, at least 1000.</value>
    public int MaxProducts
    {
        get => _maxProducts ?? UsualProducts(Count);
        init => _maxProducts = value;
    }

    /// <value>Seed of the start vectors.</value>
    public int Seed { get; init; }

    /// <summary>Products that a search for so many eigenvalues may take where nobody says otherwise.</summary>
    internal static int UsualProducts(int count) => (int)Math.Clamp((long)ProductsEach * count, FewestProducts, int.MaxValue);
}
