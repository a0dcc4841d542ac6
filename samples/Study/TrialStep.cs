using Curvature.Data;
using Curvature.Objectives;
using Curvature.Optimizers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>One step of any optimizer on a batch: of loss and gradient, or of the loss alone where it makes the gradient itself.</summary>
/// <param name="model">The network.</param>
/// <param name="optimizer">Its optimizer; disposed with this.</param>
internal sealed class TrialStep(nn.Module<Tensor, Tensor> model, OptimizerHelper optimizer) : IDisposable
{
    public static CrossEntropy Loss { get; } = new();

    /// <summary>Of all groups.</summary>
    public double Rate
    {
        set
        {
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
            {
                group.LearningRate = value;
            }
        }
    }

    /// <summary>Steps that changed nothing, as something was not finite.</summary>
    public long Skipped => optimizer is ICurvatureOptimizer curvature ? curvature.SkippedSteps : 0;

    public void Take(Batch batch)
    {
        if (optimizer is ICurvatureOptimizer curvature)
        {
            curvature.Step(() => model.call(batch.Inputs), batch.Targets, Loss);
            return;
        }

        optimizer.zero_grad();
        Loss.Value(model.call(batch.Inputs), batch.Targets).backward();
        optimizer.step();
    }

    public void Dispose() => optimizer.Dispose();
}
