using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>One evaluation of a loss at the present parameters, with its graph: a batch, or a part of one.</summary>
/// <param name="Loss">A scalar; parts of a batch add up.</param>
public sealed record LossPass(Tensor Loss)
{
    /// <summary>The model's outputs z, where model and loss came apart.</summary>
    public Tensor? Outputs { get; init; }

    /// <summary>Makes the outputs anew at parameters that have moved, where model and loss came apart.</summary>
    public Func<Tensor>? Forward { get; init; }

    /// <summary>The targets y, where model and loss came apart.</summary>
    public Tensor? Targets { get; init; }

    /// <summary>The loss of outputs and targets, where they came apart.</summary>
    public ICurvatureLoss? Criterion { get; init; }

    /// <summary>What this part's <see cref="Criterion"/> counts in <see cref="Loss"/>.</summary>
    public double Weight { get; init; } = 1;

    /// <summary>The optimizer's parameters.</summary>
    public IReadOnlyList<Tensor> Parameters { get; init; } = [];

    /// <summary><c>d Loss / d Parameters</c> with its graph, null where zero; empty unless the source of curvature differentiates it.</summary>
    public IReadOnlyList<Tensor?> Gradient { get; init; } = [];

    /// <summary>Steps taken before this one.</summary>
    public long Step { get; init; }

    /// <summary>Which part of the batch, from 0.</summary>
    public int Part { get; init; }

    /// <summary>Rows of the batch that come before this part's, those of other ranks among them; 0 where model and loss did not come apart.</summary>
    public long FirstRow { get; init; }

    /// <summary>Of the optimizer's random draws.</summary>
    public int Seed { get; init; }
}
