using Curvature.Objectives;

namespace Curvature.Pruning;

/// <summary>
/// Sets the weights of a model to zero that matter least, in place. What can go are the entries of parameters of two dimensions or more (weights, not biases and
/// norm scales) among those of the objective; what is zero already counts as gone.
/// </summary>
public interface IPruner
{
    /// <summary>Share of the weights that is zero afterwards, in (0, 1).</summary>
    double Sparsity { get; }

    /// <summary>Prunes the objective's parameters. On any error, cancellation included, they are as before.</summary>
    /// <param name="objective">The loss, and the parameters that are written to.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>What went. The caller disposes it.</returns>
    /// <exception cref="CurvatureException">A sparsity outside (0, 1) or below what is zero already; no weight to prune.</exception>
    PruningResult Prune(Objective objective, IProgress<PruningProgress>? progress = null, CancellationToken cancellation = default);
}
