namespace Curvature.Estimators;

/// <summary>The catalogue of trace estimators: a new one is one file and one line here.</summary>
public static class KnownTraceEstimators
{
    private static readonly (KnownEstimator About, Func<EstimatorOptions, ITraceEstimator> Make)[] Entries =
    [
        (new("hutchinson", typeof(HutchinsonTrace), "trace, per layer", "square", "Hutchinson 1990",
            "m products; no memory beyond a pass", "standard error of the mean over probes"),
            o => new HutchinsonTrace { MaxProbes = o.Products, MinProbes = o.MinProbes, RelativeTolerance = o.RelativeTolerance, Seed = o.Seed }),
        (new("hutch++", typeof(HutchPlusPlus), "trace", "square", "Meyer, Musco, Musco, Woodruff 2021",
            "m products; m / 3 vectors", "standard error of the part outside the sketch"),
            o => new HutchPlusPlus { MaxProducts = o.Products, MinProbes = o.MinProbes, RelativeTolerance = o.RelativeTolerance, Seed = o.Seed }),
        (new("xtrace", typeof(XTrace), "trace", "square", "Epperly, Tropp, Webber 2024",
            "m products; 3 m / 2 vectors", "leave-one-out samples and their covariance"),
            o => new XTrace { MaxProducts = o.Products, MinProbes = o.MinProbes, RelativeTolerance = o.RelativeTolerance, Seed = o.Seed }),
        (new("xnystrace", typeof(XNysTrace), "trace", "positive semidefinite", "Epperly, Tropp, Webber 2024",
            "m products; 3 m vectors", "leave-one-out samples and their covariance"),
            o => new XNysTrace { MaxProducts = o.Products, MinProbes = o.MinProbes, RelativeTolerance = o.RelativeTolerance, Seed = o.Seed }),
    ];

    /// <summary>Every trace estimator, the simplest first.</summary>
    public static IReadOnlyList<KnownEstimator> All { get; } = [.. Entries.Select(e => e.About)];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.About.Name)];

    /// <summary>The estimator of that name.</summary>
    /// <exception cref="CurvatureException">There is none.</exception>
    public static ITraceEstimator Create(string name, EstimatorOptions? options = null) =>
        Array.Find(Entries, e => e.About.Name == name).Make is { } make
            ? make(options ?? new EstimatorOptions())
            : throw new CurvatureException($"There is no trace estimator '{name}'. Known: {string.Join(", ", Names)}.");
}
