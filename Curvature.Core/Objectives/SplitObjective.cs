using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>An objective made of the user's own forward function and a loss whose curvature is known.</summary>
internal sealed class SplitObjective<TBatch>(
    ParameterSpace parameters,
    IEnumerable<TBatch> batches,
    Func<TBatch, Tensor> forward,
    Func<TBatch, Tensor> targets,
    ICurvatureLoss loss,
    double l2,
    nn.Module? module) : Objective(parameters, loss.Reduction, l2)
{
    private readonly ModuleState? _state = module is null ? null : new ModuleState(module);
    private readonly HashSet<int> _checked = [];

    /// <inheritdoc/>
    public override bool IsSplit => true;

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
        long first = 0;
        bool lasts = batches is IReadOnlyList<TBatch> && _state is not { MovesStatistics: true };
        foreach (TBatch batch in batches)
        {
            int at = index++;
            SplitBatch split = new(loss, () => Evaluate(at, batch)) { Lasts = lasts };
            (double terms, long rows) = Count(batch);
            yield return new ObjectiveBatch(at, terms, () => Value(split)) { Split = split, Rows = rows, FirstRow = first };
            first += rows;
        }
    }

    private Tensor Value(SplitBatch split)
    {
        (Tensor outputs, Tensor y) = split.Evaluate();
        return loss.Value(outputs, y);
    }

    private (double Terms, long Rows) Count(TBatch batch)
    {
        using TorchSharp.DisposeScope scope = NewDisposeScope();
        Tensor y = targets(batch);
        double terms = loss.Terms(y);
        return (Reduction == Reduction.Sum && terms != 0 ? 1 : terms, y.dim() == 0 ? 1 : y.shape[0]);
    }

    private (Tensor Outputs, Tensor Targets) Evaluate(int index, TBatch batch)
    {
        using IDisposable grad = enable_grad(); // even where only values are wanted: the forward function may differentiate itself
        (Tensor outputs, Tensor y) = (forward(batch), targets(batch));
        if (!_checked.Contains(index))
        {
            loss.Check(outputs, y);
            _checked.Add(index);
        }

        return (outputs, y);
    }
}
