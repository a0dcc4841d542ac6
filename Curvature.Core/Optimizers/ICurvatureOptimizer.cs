using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>An optimizer that is given the loss and makes gradient and curvature from it.</summary>
public interface ICurvatureOptimizer
{
    /// <summary>Steps taken: those skipped are not among them.</summary>
    long Steps { get; }

    /// <summary>Steps that changed nothing, since the loss, its gradient or curvature was NaN or infinite.</summary>
    long SkippedSteps { get; }

    /// <value>
    /// Those who share the batch of each step (default: this process alone, <see cref="OneRank"/>): give them on every rank before the first step, with the same model, options and state. Every rank then calls the same form of a step
    /// with its own part of the batch, which may be none (<c>Step(parts: [], loss)</c>, <c>Step(losses: [])</c>, or a parameter without <c>.grad</c>), and gets the loss of all. Batch normalisation in train mode normalises each
    /// rank's part by its own statistics, and moves running ones of its own: take eval mode, or another normalisation. A saved state is that of one process, and loads on any number of ranks, on each of them; M-FAC's and KFAC's are written by all ranks together: each calls <c>save_state_dict</c>, and a rank that saves alone is refused, as are the others at their next step.
    /// </value>
    /// <exception cref="CurvatureException">At the first step, the first after a group was added, and every hundredth: parameters that differ between ranks by a bit; at any: ranks at different steps or learning rates; or, with its message, what failed on one of them.</exception>
    IRanks Ranks { get; set; }

    /// <value>
    /// With several ranks, where the loss is a function alone and a mean (<c>Step(() => loss)</c>, <c>loss.backward(); step()</c>): how many terms this rank's loss is a mean over, so that it counts by its share; set it before each step whose batch is
    /// uneven. Null (default) on all ranks: all that have a part count alike, as they do where gradients are averaged. <c>Step(forward, targets, loss)</c> counts the terms itself.
    /// </value>
    double? ShardTerms { get; set; }

    /// <value>
    /// With several ranks, where the loss is a function alone: whether it is a mean, which counts by its share of the terms, or a sum, which adds up over the ranks (default <see cref="Reduction.Mean"/>). KFAC's is that of its settings.
    /// </value>
    /// <exception cref="CurvatureException">Another than that of the method's own settings.</exception>
    Reduction LossReduction { get; set; }

    /// <summary>One step down the loss.</summary>
    /// <param name="loss">The loss at the present parameters, forward only; called once, with gradients on, in the caller's scope.</param>
    /// <returns>The loss before the step, as the function gave it.</returns>
    /// <exception cref="NoSecondDerivativeException">The first loss has an operator that cannot be differentiated twice, and the method needs that.</exception>
    /// <exception cref="CurvatureException">The loss is no scalar, has no gradient, or the function called <c>backward</c>; or the method needs the outputs.</exception>
    Tensor Step(Func<Tensor> loss);

    /// <summary>One step down the sum of several losses, one after the other in memory: parts of a batch. For a mean over the batch, each part's mean is multiplied by its share of the terms.</summary>
    /// <param name="losses">Each forward only, called once; tensors made inside are disposed after it.</param>
    /// <returns>The sum before the step, in the caller's scope.</returns>
    /// <exception cref="CurvatureException">As <see cref="Step(Func{Tensor})"/>; or there are none.</exception>
    Tensor Step(IEnumerable<Func<Tensor>> losses);

    /// <summary>One step down a loss of outputs and targets.</summary>
    /// <param name="forward">The model's outputs at the present parameters; called once, with gradients on, in the caller's scope.</param>
    /// <param name="targets">What they should be.</param>
    /// <param name="loss">The loss, which knows its number of terms and its curvature in the outputs.</param>
    /// <returns>The loss before the step.</returns>
    /// <exception cref="CurvatureException">As <see cref="Step(Func{Tensor})"/>; or outputs and targets do not fit.</exception>
    Tensor Step(Func<Tensor> forward, Tensor targets, ICurvatureLoss loss);

    /// <summary>One step down a loss whose batch comes in parts, one after the other in memory. A mean is that over all terms of all parts; a part without any is not evaluated.</summary>
    /// <param name="parts">Outputs and targets of each part; tensors made inside are disposed after it.</param>
    /// <param name="loss">The loss.</param>
    /// <returns>The whole batch's loss before the step, in the caller's scope.</returns>
    /// <exception cref="CurvatureException">As <see cref="Step(Func{Tensor}, Tensor, ICurvatureLoss)"/>; or there are none.</exception>
    Tensor Step(IEnumerable<(Func<Tensor> Forward, Tensor Targets)> parts, ICurvatureLoss loss);
}
