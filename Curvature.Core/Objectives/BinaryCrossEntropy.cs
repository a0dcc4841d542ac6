using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// Binary cross-entropy of logits in nats, <c>-y log s(z) - (1 - y) log s(-z)</c> with the logistic s, one term per entry of the outputs,
/// as <c>torch.nn.functional.binary_cross_entropy_with_logits</c>. Targets in [0, 1] have the outputs' shape; a trailing dimension of
/// 1 may be left out.
/// </summary>
public sealed class BinaryCrossEntropy : ICurvatureLoss
{
    /// <param name="options">Only the reduction applies.</param>
    public BinaryCrossEntropy(LossOptions? options = null)
    {
        KnownLosses.RefuseClassOptions(Name, options ?? new LossOptions());
        Reduction = options?.Reduction ?? Reduction.Mean;
    }

    /// <inheritdoc/>
    public string Name => "bce";

    /// <inheritdoc/>
    public Reduction Reduction { get; }

    /// <inheritdoc/>
    public Tensor Value(Tensor outputs, Tensor targets) => nn.functional.binary_cross_entropy_with_logits(
        outputs,
        targets.to(outputs.dtype).reshape(outputs.shape),
        reduction: Reduction == Reduction.Mean ? nn.Reduction.Mean : nn.Reduction.Sum);

    /// <inheritdoc/>
    public double Terms(Tensor targets) => targets.numel();

    /// <inheritdoc/>
    public void Check(Tensor outputs, Tensor targets)
    {
        EntrywiseTargets.Check("Binary cross-entropy", outputs, targets);
        using DisposeScope scope = NewDisposeScope();
        (double low, double high) = (targets.min().ToDouble(), targets.max().ToDouble());
        if (low < 0 || high > 1)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Binary cross-entropy expects targets in [0, 1]; the data has targets from {low:G4} to {high:G4}. For real-valued targets use mse, for class labels cross-entropy."));
        }
    }

    /// <inheritdoc/>
    public OutputCurvature CurvatureAt(Tensor outputs, Tensor targets, double weight = 1) =>
        LogisticCurvature.At(this, outputs, targets, EntrywiseTargets.Share(this, outputs, weight), weight);
}
