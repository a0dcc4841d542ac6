using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>One batch of an objective, not yet evaluated.</summary>
/// <param name="Index">Its position in the pass, from 0.</param>
/// <param name="Terms">w_b, the (weighted) number of loss terms; for a sum 1 where there are any. A batch without terms contributes nothing.</param>
/// <param name="Loss">
/// Evaluates the batch's loss with a graph, in the caller's scope: the mean over its terms, or their sum, as the objective's reduction says.
/// </param>
public sealed record ObjectiveBatch(int Index, double Terms, Func<Tensor> Loss)
{
    /// <value>The batch with model and loss apart, where the objective is split; else null.</value>
    public SplitBatch? Split { get; init; }

    /// <value>The factor that <see cref="Loss"/> contains beyond its reduction (default 1): what an operator gave the batch in its sum.</value>
    public double Weight { get; init; } = 1;

    /// <value>Its rows (default 0, where they are not known): places that its samples take in the data.</value>
    public long Rows { get; init; }

    /// <value>Rows of the batches before it in the pass (default 0).</value>
    public long FirstRow { get; init; }

    /// <summary>The batch with its loss multiplied by <paramref name="factor"/>.</summary>
    internal ObjectiveBatch Weighted(double factor) => this with { Loss = () => Loss().mul(factor), Weight = Weight * factor };
}
