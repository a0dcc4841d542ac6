using Curvature.Data;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>How well a network does on some samples.</summary>
/// <param name="Loss">The loss over all samples, <c>sum_b w_b loss_b / sum_b w_b</c> with the batches' numbers of terms (a sum where the loss is one).</param>
/// <param name="Accuracy">Share of right answers: the highest score is the target's (ignored labels do not count), a logit has the target's sign; null for other losses.</param>
public sealed record NetworkQuality(double Loss, double? Accuracy)
{
    /// <summary>Evaluates a network in evaluation mode without a graph, one forward pass a batch; modes are put back.</summary>
    /// <param name="module">An <c>IModule&lt;Tensor, Tensor&gt;</c>. Inputs are cast to its dtype, integers never.</param>
    /// <param name="batches">Enumerated once.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="cancellation">Looked at before each batch.</param>
    /// <exception cref="CurvatureException">No terms, or data that do not fit the network or the loss.</exception>
    /// <exception cref="NonFiniteException">The loss is NaN or infinite.</exception>
    public static NetworkQuality Of(nn.Module module, IEnumerable<Batch> batches, ISupervisedLoss loss, CancellationToken cancellation = default) =>
        Of(BatchQuality.Each(module, batches, loss, cancellation), loss.Reduction);

    /// <summary>The quality over all batches.</summary>
    internal static NetworkQuality Of(IReadOnlyList<BatchQuality> batches, Reduction reduction)
    {
        double terms = batches.Sum(batch => batch.Terms);
        double sum = reduction == Reduction.Mean ? batches.Sum(batch => batch.Terms * batch.Loss) / terms : batches.Sum(batch => batch.Loss);
        return new NetworkQuality(sum, batches[0].Counted is null ? null : (double)batches.Sum(batch => batch.Right!.Value) / batches.Sum(batch => batch.Counted!.Value));
    }
}
