namespace Curvature.Sharpness;

/// <summary>
/// Largest learning rate <c>2 / lambda_max</c> at which plain gradient descent on the quadratic model does not diverge
/// (Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of stability, arXiv:2103.00065).
/// </summary>
public sealed class StableLearningRate : IFindingRule
{
    /// <inheritdoc/>
    public string Id => "stable-learning-rate";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);

        // A Ritz value never exceeds lambda_max, converged or not: leaving one out would promise too large a learning rate.
        if (summary is { LargestStableLearningRate: { } rate, Largest: { } largest })
        {
            string verdict = largest.Converged ? "is stable up to" : "is not stable beyond";
            yield return Finding.Of(
                Id,
                Severity.Info,
                FormattableString.Invariant(
                    $"Plain full-batch gradient descent on this loss {verdict} a learning rate of 2 / lambda_max = {rate:G3}."),
                ("learning_rate", rate),
                ("lambda_max", largest.Value));
        }
    }
}
