using Curvature.Data;
using Curvature.Objectives;
using Curvature.Optimizers;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The digits network trained from the same start, over the same batches, by AdamW, AdaHessian and Sophia-G: the loss over all digits by steps and by seconds. Learning rates are the best of four tried
/// for each, at its 300th step.
/// </summary>
internal static class DiagonalOptimizers
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DigitsRuns runs = new(options);
        runs.Report("AdamW", [0.003, 0.01, 0.03, 0.1], AdamW, cancellation);
        runs.Report("AdaHessian", [0.03, 0.1, 0.3, 1], AdaHessian, cancellation);
        runs.Report("Sophia-G", [0.001, 0.003, 0.01, 0.03], SophiaG, cancellation);
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

    private static (IDisposable Optimizer, Action<Batch> Step) AdaHessian(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region adahessian
        AdaHessian optimizer = new(model.parameters(), new AdaHessianOptions { LearningRate = rate }) { UpdateInterval = 2 };
        void Step(Batch batch) => optimizer.step(() => Loss.Value(model.call(batch.Inputs), batch.Targets));
        #endregion
        return (optimizer, Step);
    }

    private static (IDisposable Optimizer, Action<Batch> Step) SophiaG(nn.Module<Tensor, Tensor> model, double rate)
    {
        #region sophia
        SophiaG optimizer = new(model.parameters(), new SophiaOptions { LearningRate = rate, WeightDecay = 0.01 });
        void Step(Batch batch) => optimizer.Step(() => model.call(batch.Inputs), batch.Targets, Loss);
        #endregion
        return (optimizer, Step);
    }
}
