using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// Squared error <c>(z - y)^2</c>, one term per entry of the outputs: the mean is over all <c>N * C</c> of them, as
/// <c>torch.nn.functional.mse_loss</c>. Targets have the outputs' shape; a trailing dimension of 1 may be left out.
/// </summary>
public sealed class MeanSquaredError : ICurvatureLoss
{
    /// <param name="options">Only the reduction applies.</param>
    public MeanSquaredError(LossOptions? options = null)
    {
        KnownLosses.RefuseClassOptions(Name, options ?? new LossOptions());
        Reduction = options?.Reduction ?? Reduction.Mean;
    }

    /// <inheritdoc/>
    public string Name => "mse";

    /// <inheritdoc/>
    public Reduction Reduction { get; }

    /// <inheritdoc/>
    public Tensor Value(Tensor outputs, Tensor targets) => nn.functional.mse_loss(
        outputs, targets.to(outputs.dtype).reshape(outputs.shape), Reduction == Reduction.Mean ? nn.Reduction.Mean : nn.Reduction.Sum);

    /// <inheritdoc/>
    public double Terms(Tensor targets) => targets.numel();

    /// <inheritdoc/>
    public void Check(Tensor outputs, Tensor targets) => EntrywiseTargets.Check("Squared error", outputs, targets);

    /// <inheritdoc/>
    public OutputCurvature CurvatureAt(Tensor outputs, Tensor targets, double weight = 1) =>
        new GaussianCurvature(this, outputs, targets, EntrywiseTargets.Share(this, outputs, weight), weight);
}
