using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>The catalogue of optimizers, for the documentation and the tests that hold for all. A new one is one file and one line here.</summary>
public static class KnownOptimizers
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<KnownOptimizer> All { get; } =
    [
        new("adahessian", typeof(AdaHessian), "`|diag H|`, by signs", "Yao et al. 2021", "a Hessian-vector product every k steps (k = 1)",
            (_, parameters, rate, interval) => new AdaHessian(parameters, new AdaHessianOptions { LearningRate = rate }) { UpdateInterval = interval ?? 1 }),
        new("sophia-h", typeof(SophiaH), "`diag H`, by normal vectors, steps clipped", "Liu et al. 2023", "a Hessian-vector product every k steps (k = 10)",
            (_, parameters, rate, interval) => new SophiaH(parameters, new SophiaOptions { LearningRate = rate }) { UpdateInterval = interval ?? 10 }),
        new("sophia-g", typeof(SophiaG), "the Gauss-Newton diagonal, by drawn targets, steps clipped", "Liu et al. 2023", "a backward pass every k steps (k = 10)",
            (_, parameters, rate, interval) => new SophiaG(parameters, new SophiaOptions { LearningRate = rate }) { UpdateInterval = interval ?? 10 }),
        new("mfac", typeof(MfacOptimizer), "the damped Fisher matrix of the last m gradients, whole", "Frantar, Kurtic, Alistarh 2021", "two passes over the m gradients (m = 64)",
            (_, parameters, rate, _) => new MfacOptimizer(parameters, options: new MfacOptimizerOptions { LearningRate = rate })),
        new("kfac", typeof(KfacOptimizer), "Kronecker factors of each layer's Gauss-Newton block", "Martens, Grosse 2015", "matrix products with the inverses; a backward pass and the factors every k steps (k = 10), inverses every 10 k",
            (model, parameters, rate, interval) => Kfac(model, parameters, rate, interval, new KfacSettings())),
        new("ekfac", typeof(KfacOptimizer), "running second moments in the eigenvectors of Kronecker factors", "George et al. 2018", "twice the products of KFAC; factors as there, eigenvectors every 10 k",
            (model, parameters, rate, interval) => Kfac(model, parameters, rate, interval, KfacSettings.Ekfac)),
        new("mkor", typeof(MkorOptimizer), "momentum inverses of each layer's Kronecker factors, by rank-1 updates", "Mozaffari et al. 2023", "matrix products with the inverses; a rank-1 update every k steps (k = 10)",
            (model, parameters, rate, interval) => Mkor(model, parameters, rate, interval, null)),
        new("mkor-h", typeof(MkorOptimizer), "the same, the gradient alone once the loss hardly falls", "Mozaffari et al. 2023", "the same, then nothing",
            (model, parameters, rate, interval) => Mkor(model, parameters, rate, interval, new MkorHybrid())),
        new("hessian-free", typeof(HessianFree), "the batch's Gauss-Newton matrix, whole, by conjugate gradients", "Martens 2010", "a Gauss-Newton product an iteration, up to 100",
            (_, parameters, rate, _) => new HessianFree(parameters, new HessianFreeOptions { LearningRate = rate })),
    ];

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names => [.. All.Select(known => known.Name)];

    /// <summary>The entry called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name.</exception>
    public static KnownOptimizer Get(string name) => All.FirstOrDefault(known => known.Name == name)
        ?? throw new CurvatureException($"Unknown optimizer '{name}'. Expected one of: {string.Join(", ", Names)}.");

    private static KfacOptimizer Kfac(nn.Module model, IEnumerable<Parameter> parameters, double? rate, int? interval, KfacSettings settings) => new(
        model,
        [new ParamGroup<KfacOptimizerOptions>(parameters)],
        new KfacOptimizerOptions { LearningRate = rate },
        settings with { FactorInterval = interval ?? settings.FactorInterval, InverseInterval = interval * 10 ?? settings.InverseInterval });

    private static MkorOptimizer Mkor(nn.Module model, IEnumerable<Parameter> parameters, double? rate, int? interval, MkorHybrid? hybrid) => new(
        model,
        [new ParamGroup<MkorOptimizerOptions>(parameters)],
        new MkorOptimizerOptions { LearningRate = rate },
        new MkorSettings { UpdateInterval = interval ?? 10, Hybrid = hybrid });
}
