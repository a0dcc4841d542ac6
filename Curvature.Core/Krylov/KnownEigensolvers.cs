namespace Curvature.Krylov;

/// <summary>The catalogue of eigensolvers by name. A new solver is one file and one line here.</summary>
public static class KnownEigensolvers
{
    private static readonly (KnownSolver About, Func<EigensolverOptions, IEigensolver> Make)[] Entries =
    [
        (new("lanczos", typeof(LanczosEigensolver), "largest, smallest, both ends, largest magnitude", "Wu, Simon 2000", "the fewest products; a basis of vectors"),
            o => new LanczosEigensolver { Count = o.Count, Which = o.Which, Tolerance = o.Tolerance, MaxProducts = o.MaxProducts, Seed = o.Seed }),
        (new("lobpcg", typeof(Lobpcg), "one end; takes a preconditioner", "Knyazev 2001; Hetmaniuk, Lehoucq 2006", "about twice the products, in blocks; memory does not grow"),
            o => new Lobpcg { Count = o.Count, Which = o.Which, Tolerance = o.Tolerance, MaxProducts = o.MaxProducts, Seed = o.Seed }),
        (new("power", typeof(PowerIteration), "largest magnitude, by deflation; for comparison", "von Mises, Pollaczek-Geiringer 1929", "five times the products and more; a vector a pair"),
            o => o.Which == Spectrum.Magnitude
                ? new PowerIteration { Count = o.Count, Tolerance = o.Tolerance, MaxProducts = o.MaxProducts, Seed = o.Seed }
                : throw new CurvatureException($"Power iteration finds the largest magnitudes; got {o.Which}. The eigensolver 'lanczos' finds any.")),
    ];

    /// <summary>Every eigensolver, in the order of the documentation.</summary>
    public static IReadOnlyList<KnownSolver> All { get; } = [.. Entries.Select(e => e.About)];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.About.Name)];

    /// <summary>The eigensolver called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name, or an end of the spectrum that it does not find.</exception>
    public static IEigensolver Create(string name, EigensolverOptions? options = null) =>
        Array.Find(Entries, e => e.About.Name == name).Make is { } make
            ? make(options ?? new EigensolverOptions())
            : throw new CurvatureException($"Unknown eigensolver '{name}'. Expected one of: {string.Join(", ", Names)}.");

    /// <summary>The table of the documentation, in Markdown.</summary>
    public static string ToMarkdown() => KnownSolver.ToMarkdown("Eigensolver", "Finds", All);
}
