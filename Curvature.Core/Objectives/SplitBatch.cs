using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>One batch of an objective with model and loss apart, not yet evaluated.</summary>
/// <param name="Loss">The loss.</param>
/// <param name="Evaluate">Evaluates the model on the batch, with a graph, in the caller's scope: outputs and targets that fit the loss.</param>
public sealed record SplitBatch(ICurvatureLoss Loss, Func<(Tensor Outputs, Tensor Targets)> Evaluate);
