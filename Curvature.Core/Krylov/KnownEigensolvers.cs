namespace Curvature.Krylov;

/// <summary>The catalogue of eigensolvers by name. A new solver is one file and one line here.</summary>
public static class KnownEigensolvers
{
    private static readonly Dictionary<string, Func<EigensolverOptions, IEigensolver>> Catalogue = new(StringComparer.Ordinal)
    {
        ["lanczos"] = o => new LanczosEigensolver { Count = o.Count, Which = o.Which, Tolerance = o.Tolerance, MaxProducts = o.MaxProducts, Seed = o.Seed },
        ["lobpcg"] = o => new Lobpcg { Count = o.Count, Which = o.Which, Tolerance = o.Tolerance, MaxProducts = o.MaxProducts, Seed = o.Seed },
        ["power"] = o => o.Which == Spectrum.Magnitude
            ? new PowerIteration { Count = o.Count, Tolerance = o.Tolerance, MaxProducts = o.MaxProducts, Seed = o.Seed }
            : throw new CurvatureException($"Power iteration finds the largest magnitudes; got {o.Which}. The eigensolver 'lanczos' finds any."),
    };

    /// <summary>All names, in the order of the documentation.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    /// <summary>The eigensolver called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name, or an end of the spectrum that it does not find.</exception>
    public static IEigensolver Create(string name, EigensolverOptions? options = null) =>
        Catalogue.TryGetValue(name, out Func<EigensolverOptions, IEigensolver>? create)
            ? create(options ?? new EigensolverOptions())
            : throw new CurvatureException($"Unknown eigensolver '{name}'. Expected one of: {string.Join(", ", Names)}.");
}
