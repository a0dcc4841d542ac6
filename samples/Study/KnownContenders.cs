using Curvature.Optimizers;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>The optimizers of the study: a new one is one line here. None decays weights, as the training loss is what is compared.</summary>
internal static class KnownContenders
{
    public static IReadOnlyList<Contender> All { get; } =
    [
        new("AdamW", Family.FirstOrder, "decay 0 (with which it is Adam)", 0.003, (model, rate, _) => optim.AdamW(model.parameters(), rate, weight_decay: 0)),
        new("SGD", Family.FirstOrder, "momentum 0.9", 0.1, (model, rate, _) => optim.SGD(model.parameters(), rate, momentum: 0.9)),
        new("Lion", Family.FirstOrder, "decay 0", 0.001, (model, rate, _) => new Lion(model.parameters(), rate)),
        new("Adan", Family.FirstOrder, "decay 0", 0.01, (model, rate, _) => new Adan(model.parameters(), rate)),
        new("AdaHessian", Family.Diagonal, "a refresh each step", 0.1, (model, rate, seed) => new AdaHessian(model.parameters(), new AdaHessianOptions { LearningRate = rate }) { Seed = seed }),
        new("Sophia-H", Family.Diagonal, "decay 0", 0.003, (model, rate, seed) => new SophiaH(model.parameters(), new SophiaOptions { LearningRate = rate, WeightDecay = 0 }) { Seed = seed }),
        new("Sophia-G", Family.Diagonal, "decay 0", 0.003, (model, rate, seed) => new SophiaG(model.parameters(), new SophiaOptions { LearningRate = rate, WeightDecay = 0 }) { Seed = seed }),
        new("KFAC", Family.Kronecker, "defaults: damping 0.001, factors every 10 steps, inverses every 100", 0.03, (model, rate, _) => new KfacOptimizer(model, new KfacOptimizerOptions { LearningRate = rate })),
        new("KFAC, damping 0.01", Family.Kronecker, "the same, damping 0.01", 0.03,
            (model, rate, _) => new KfacOptimizer(model, new KfacOptimizerOptions { LearningRate = rate }, new KfacSettings { Damping = 0.01 })),
        new("EKFAC", Family.Eigenbasis, "defaults: as KFAC", 0.03, (model, rate, _) => new KfacOptimizer(model, new KfacOptimizerOptions { LearningRate = rate }, KfacSettings.Ekfac)),
        new("EKFAC, damping 0.01", Family.Eigenbasis, "the same, damping 0.01", 0.03,
            (model, rate, _) => new KfacOptimizer(model, new KfacOptimizerOptions { LearningRate = rate }, KfacSettings.Ekfac with { Damping = 0.01 })),
        new("MKOR", Family.RankOne, "defaults: an update every 10 steps, momentum 0.9", 0.1, (model, rate, _) => new MkorOptimizer(model, new MkorOptimizerOptions { LearningRate = rate })),
        new("MKOR, Adam inside", Family.RankOne, "directions through Adam's rule instead of momentum", 0.01,
            (model, rate, _) => new MkorOptimizer(model, new MkorOptimizerOptions { LearningRate = rate }, new MkorSettings { Adam = true })),
        new("MKOR, Adam inside, each step", Family.RankOne, "the same, an update of the inverses on each step", 0.01,
            (model, rate, _) => new MkorOptimizer(model, new MkorOptimizerOptions { LearningRate = rate }, new MkorSettings { Adam = true, UpdateInterval = 1 })),
        new("Hessian-free", Family.HessianFree, "defaults: up to 100 products with the Gauss-Newton matrix a step; on the smallest problem only, as a step costs so many gradients", 1,
            (model, rate, _) => new HessianFree(model.parameters(), new HessianFreeOptions { LearningRate = rate })) { Only = "digits", HasSteadySteps = false },
        new("M-FAC", Family.Window, "64 gradients, momentum 0.9", 0.03, (model, rate, _) => new MfacOptimizer(model.parameters(), 64, new MfacOptimizerOptions { LearningRate = rate, Momentum = 0.9 })),
    ];
}
