using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Pruning;

/// <summary>Prunes the weights of the smallest magnitude in the whole model; the others stay as they are. No gradient is asked for. What any other method must beat.</summary>
public sealed record MagnitudePruner : IPruner
{
    /// <inheritdoc/>
    public double Sparsity { get; init; } = 0.9;

    /// <inheritdoc/>
    public PruningResult Prune(Objective objective, IProgress<PruningProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        using DisposeScope scope = NewDisposeScope();
        using Weights weights = new(objective.Parameters, Sparsity);
        weights.Take(weights.Theta().abs(), Sparsity);
        weights.Write(change: null);
        progress?.Report(new PruningProgress(1, 1, weights.Sparsity));
        return weights.Finish([new PruningStep(weights.Sparsity, PredictedIncrease: null)]);
    }
}
