using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Optimizers;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The digits network trained from the same start, over the same batches, by AdamW, KFAC, EKFAC and MKOR: the loss over all digits by steps and by seconds. Learning rates are the best of four tried for
/// each, at its 300th step.
/// </summary>
internal static class KroneckerOptimizers
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DigitsRuns runs = new(options);
        runs.Report("AdamW", [0.003, 0.01, 0.03, 0.1], AdamW, cancellation);
        runs.Report("KFAC", [0.03, 0.1, 0.3, 1], Kfac, cancellation);
        runs.Report("KFAC, hooks", [0.03, 0.1, 0.3, 1], KfacByHooks, cancellation);
        runs.Report("EKFAC", [0.03, 0.1, 0.3, 1], Ekfac, cancellation);
        runs.Report("MKOR", [0.03, 0.1, 0.3, 1], Mkor, cancellation);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) AdamW(nn.Module<Tensor, Tensor> model, double rate)
    {
        optim.Optimizer optimizer = optim.AdamW(model.parameters(), rate);
        void Step(Batch batch)
        {
            optimizer.zero_grad();
            Loss.Value(model.call(batch.Inputs), batch.Targets).backward();
            optimizer.step();
        }

        return (optimizer, Step);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) Kfac(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region kfac
        KfacOptimizer optimizer = new(model, new KfacOptimizerOptions { LearningRate = rate }, new KfacSettings { Damping = 0.01, KlClip = 0.01 });
        void Step(Batch batch) => optimizer.Step(() => model.call(batch.Inputs), batch.Targets, Loss);
        #endregion
        return (optimizer, Step);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) KfacByHooks(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region hooks
        KfacSettings settings = new() { Damping = 0.01, KlClip = 0.01, Factors = new KfacOptions { Gradients = FactorGradients.Empirical } };
        KfacOptimizer optimizer = new(model, new KfacOptimizerOptions { LearningRate = rate }, settings);
        void Step(Batch batch)
        {
            optimizer.zero_grad();
            Loss.Value(model.call(batch.Inputs), batch.Targets).backward();
            optimizer.step();
        }
        #endregion

        return (optimizer, Step);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) Ekfac(nn.Module<Tensor, Tensor> model, double rate)
    {
        KfacOptimizer optimizer = new(model, new KfacOptimizerOptions { LearningRate = rate }, KfacSettings.Ekfac with { Damping = 0.01, KlClip = 0.01 });
        return (optimizer, batch => optimizer.Step(() => model.call(batch.Inputs), batch.Targets, Loss));
    }

    private static (IDisposable Optimizer, Action<Batch> Step) Mkor(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region mkor
        MkorOptimizer optimizer = new(model, new MkorOptimizerOptions { LearningRate = rate }, new MkorSettings { Hybrid = new MkorHybrid() });
        optimizer.Switched += change => Console.Error.WriteLine($"step {change.Step}: the loss falls by {change.Rate:P3} a step, on along the gradient");
        void Step(Batch batch) => optimizer.step(() => Loss.Value(model.call(batch.Inputs), batch.Targets));
        #endregion
        return (optimizer, Step);
    }
}
