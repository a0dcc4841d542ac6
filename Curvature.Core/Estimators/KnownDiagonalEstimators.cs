namespace Curvature.Estimators;

/// <summary>The catalogue of diagonal estimators: a new one is one file and one line here.</summary>
public static class KnownDiagonalEstimators
{
    private static readonly (KnownEstimator About, Func<EstimatorOptions, IDiagonalEstimator> Make)[] Entries =
    [
        (new("hutchinson", typeof(HutchinsonDiagonal), "diagonal, sum of its squares", "square", "Bekas, Kokiopoulou, Saad 2007",
            "m products; 2 vectors", "standard error of each entry over the probes"),
            o => new HutchinsonDiagonal { MaxProbes = o.Products, MinProbes = o.MinProbes, RelativeTolerance = o.RelativeTolerance, SumOfSquares = o.SumOfSquares, Seed = o.Seed }),
        (new("xdiag", typeof(XDiag), "diagonal", "square, with a product of its transpose", "Epperly, Tropp, Webber 2024",
            "m products; 3 m / 2 vectors", "leave-one-out samples of each entry and their covariance"),
            o => new XDiag { MaxProducts = o.Products, MinProbes = o.MinProbes, RelativeTolerance = o.RelativeTolerance, Seed = o.Seed }),
    ];

    /// <summary>Every diagonal estimator, the simplest first.</summary>
    public static IReadOnlyList<KnownEstimator> All { get; } = [.. Entries.Select(e => e.About)];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.About.Name)];

    /// <summary>The estimator of that name.</summary>
    /// <exception cref="CurvatureException">There is none.</exception>
    public static IDiagonalEstimator Create(string name, EstimatorOptions? options = null) =>
        Array.Find(Entries, e => e.About.Name == name).Make is { } make
            ? make(options ?? new EstimatorOptions())
            : throw new CurvatureException($"There is no diagonal estimator '{name}'. Known: {string.Join(", ", Names)}.");
}
