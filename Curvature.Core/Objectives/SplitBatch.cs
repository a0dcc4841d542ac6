using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>One batch of an objective with model and loss apart, not yet evaluated.</summary>
/// <param name="Loss">The loss.</param>
/// <param name="Evaluate">Evaluates the model on the batch, with a graph, in the caller's scope: outputs and targets that fit the loss.</param>
public sealed record SplitBatch(ICurvatureLoss Loss, Func<(Tensor Outputs, Tensor Targets)> Evaluate)
{
    /// <value>Whether the batch may be evaluated after its pass too: it outlives the pass, and evaluating it moves no running statistics (default false).</value>
    public bool Lasts { get; init; }
}
