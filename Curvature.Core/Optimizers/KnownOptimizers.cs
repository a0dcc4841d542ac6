namespace Curvature.Optimizers;

/// <summary>The catalogue of optimizers, for the documentation and the tests that hold for all. A new one is one file and one line here.</summary>
public static class KnownOptimizers
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<KnownOptimizer> All { get; } =
    [
        new("adahessian", typeof(AdaHessian), "`|diag H|`, by signs", "Yao et al. 2021", "a Hessian-vector product every k steps (k = 1)",
            (parameters, rate, interval) => new AdaHessian(parameters, new AdaHessianOptions { LearningRate = rate }) { UpdateInterval = interval ?? 1 }),
        new("sophia-h", typeof(SophiaH), "`diag H`, by normal vectors, steps clipped", "Liu et al. 2023", "a Hessian-vector product every k steps (k = 10)",
            (parameters, rate, interval) => new SophiaH(parameters, new SophiaOptions { LearningRate = rate }) { UpdateInterval = interval ?? 10 }),
        new("sophia-g", typeof(SophiaG), "the Gauss-Newton diagonal, by drawn targets, steps clipped", "Liu et al. 2023", "a backward pass every k steps (k = 10)",
            (parameters, rate, interval) => new SophiaG(parameters, new SophiaOptions { LearningRate = rate }) { UpdateInterval = interval ?? 10 }),
        new("mfac", typeof(MfacOptimizer), "the damped Fisher matrix of the last m gradients, whole", "Frantar, Kurtic, Alistarh 2021", "two passes over the m gradients (m = 64)",
            (parameters, rate, _) => new MfacOptimizer(parameters, options: new MfacOptimizerOptions { LearningRate = rate })),
    ];

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names => [.. All.Select(known => known.Name)];

    /// <summary>The entry called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name.</exception>
    public static KnownOptimizer Get(string name) => All.FirstOrDefault(known => known.Name == name)
        ?? throw new CurvatureException($"Unknown optimizer '{name}'. Expected one of: {string.Join(", ", Names)}.");
}
