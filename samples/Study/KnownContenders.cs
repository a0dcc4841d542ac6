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
    ];
}
