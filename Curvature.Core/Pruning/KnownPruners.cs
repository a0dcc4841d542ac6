namespace Curvature.Pruning;

/// <summary>The catalogue of pruning methods by name. A new one is one file and one line here.</summary>
public static class KnownPruners
{
    private static readonly Dictionary<string, Func<double, IPruner>> Catalogue = new(StringComparer.Ordinal)
    {
        ["magnitude"] = sparsity => new MagnitudePruner { Sparsity = sparsity },
        ["obs"] = sparsity => new ObsPruner { Sparsity = sparsity },
    };

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    /// <summary>The method called <paramref name="name"/>, with its defaults.</summary>
    /// <exception cref="CurvatureException">An unknown name.</exception>
    public static IPruner Create(string name, double sparsity) => Catalogue.TryGetValue(name, out Func<double, IPruner>? create)
        ? create(sparsity)
        : throw new CurvatureException($"Unknown pruning method '{name}'. Expected one of: {string.Join(", ", Names)}.");
}
