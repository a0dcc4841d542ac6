using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>An objective made of the user's own loss.</summary>
internal sealed class ClosureObjective<TBatch>(
    ParameterSpace parameters,
    IEnumerable<TBatch> batches,
    Func<TBatch, Tensor> loss,
    Func<TBatch, double> terms,
    Reduction reduction,
    double l2,
    nn.Module? module) : Objective(parameters, reduction, l2)
{
    private readonly ModuleState? _state = module is null ? null : new ModuleState(module);

    /// <inheritdoc/>
    protected internal override bool GraphsCanBeKept => _state?.GraphsCanBeKept(Parameters.Device) ?? true;

    /// <inheritdoc/>
    protected internal override IEnumerable<Tensor> Constants => _state?.Constants ?? [];

    /// <inheritdoc/>
    protected internal override int Mode => _state?.Mode ?? 0;

    /// <inheritdoc/>
    protected internal override IDisposable? PreserveState() => _state?.Preserve();

    /// <inheritdoc/>
    protected internal override IEnumerable<ObjectiveBatch> Batches()
    {
        int index = 0;
        foreach (TBatch batch in batches)
        {
            double weight = Reduction == Reduction.Mean ? terms(batch) : 1;
            if (!(weight >= 0) || double.IsInfinity(weight))
            {
                throw new CurvatureException($"Batch {index} reports {weight} loss terms; expected a number that is not negative.");
            }

            yield return new ObjectiveBatch(index++, weight, () => Evaluate(batch));
        }
    }
    /// <summary>Gradients are on even where only the value is wanted: the loss of a physics-informed network differentiates its outputs itself.</summary>
    private Tensor Evaluate(TBatch batch)
    {
        using IDisposable grad = enable_grad();
        return loss(batch);
    }
}
