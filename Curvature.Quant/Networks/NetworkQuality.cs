using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>How well a network does on some samples. Qualities are equal where loss and accuracy are.</summary>
/// <param name="Loss">The loss over all samples, <c>sum_b w_b loss_b / sum_b w_b</c> with the batches' numbers of terms (a sum where the loss is one).</param>
/// <param name="Accuracy">Share of right answers: the highest score is the target's (ignored labels do not count), a logit has the target's sign; null for other losses.</param>
public sealed record NetworkQuality(double Loss, double? Accuracy)
{
    private IReadOnlyList<BatchQuality> Batches { get; init; } = [];

    private Reduction Reduction { get; init; }

    /// <summary>Evaluates a network in evaluation mode without a graph, one forward pass a batch; modes are put back.</summary>
    /// <param name="module">An <c>IModule&lt;Tensor, Tensor&gt;</c>. Inputs are cast to its dtype, integers never.</param>
    /// <param name="batches">Enumerated once.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="cancellation">Looked at before each batch.</param>
    /// <exception cref="CurvatureException">No terms, or data that do not fit the network or the loss.</exception>
    /// <exception cref="NonFiniteException">The loss is NaN or infinite.</exception>
    public static NetworkQuality Of(nn.Module module, IEnumerable<Batch> batches, ISupervisedLoss loss, CancellationToken cancellation = default) =>
        Of(BatchQuality.Each(module, batches, loss, OneRank.Instance, cancellation), loss.Reduction);

    /// <summary>The same of data that is spread over several ranks: each evaluates its own batches, and every rank has the quality on all, to the bit that of one process with the same batches. Collective: one sum of four numbers a batch.</summary>
    /// <param name="module">As above, with the same weights on every rank.</param>
    /// <param name="batches">This rank's, in the order of the ranks; none where it has no share.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="ranks">Those who share the data.</param>
    /// <param name="cancellation">Looked at before each batch.</param>
    /// <exception cref="CurvatureException">No terms on any rank, or data on one of them that do not fit the network or the loss.</exception>
    /// <exception cref="NonFiniteException">The loss is NaN or infinite.</exception>
    public static NetworkQuality Of(nn.Module module, IEnumerable<Batch> batches, ISupervisedLoss loss, IRanks ranks, CancellationToken cancellation = default) =>
        Of(BatchQuality.Each(module, batches, loss, ranks, cancellation), loss.Reduction);

    /// <summary>Whether qualities under a loss have an accuracy.</summary>
    public static bool HasAccuracy(ISupervisedLoss loss) => loss is CrossEntropy or BinaryCrossEntropy;

    /// <summary>
    /// By how much the loss is above another's on the same batches, with the standard error of that difference over batches: each batch is compared with itself, so that what batches differ in does not count. Of one batch, or
    /// of qualities that were not evaluated (<see cref="Of(nn.Module, IEnumerable{Batch}, ISupervisedLoss, CancellationToken)"/>), the error is not known and the interval infinite.
    /// </summary>
    /// <param name="other">The quality to compare with.</param>
    /// <exception cref="CurvatureException">The two are of different batches.</exception>
    public Estimate LossAbove(NetworkQuality other)
    {
        if (!Batches.Select(batch => batch.Terms).SequenceEqual(other.Batches.Select(batch => batch.Terms)))
        {
            throw new CurvatureException($"Losses are compared batch by batch: expected the same batches, got {Batches.Count} and {other.Batches.Count}, or of other sizes. Evaluate both on the same data.");
        }

        return Batches.Count < 2 ? new Estimate(Loss - other.Loss, double.NaN, 0, 1) : new Estimate(Loss - other.Loss, BatchQuality.Increase(other.Batches, Batches, Reduction).StandardError, 0, Batches.Count);
    }

    /// <summary>Whether loss and accuracy are the same.</summary>
    public bool Equals(NetworkQuality? other) => other is not null && (Loss, Accuracy) == (other.Loss, other.Accuracy);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Loss, Accuracy);

    /// <summary>The quality over all batches.</summary>
    internal static NetworkQuality Of(IReadOnlyList<BatchQuality> batches, Reduction reduction)
    {
        double terms = batches.Sum(batch => batch.Terms);
        double sum = reduction == Reduction.Mean ? batches.Sum(batch => batch.Terms * batch.Loss) / terms : batches.Sum(batch => batch.Loss);
        return new NetworkQuality(sum, batches[0].Counted is null ? null : (double)batches.Sum(batch => batch.Right!.Value) / batches.Sum(batch => batch.Counted!.Value))
        {
            Batches = batches,
            Reduction = reduction,
        };
    }
}
