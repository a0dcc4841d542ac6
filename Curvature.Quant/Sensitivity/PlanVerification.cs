using Curvature.Estimators;
using Curvature.Quant.Networks;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// Whether a plan does what its sensitivities promise, by the losses measured under it and under others within the same limits, uniform bits above all, on the same batches. Sums of sensitivities see neither what leaves the range of
/// the expansion, as errors at 2 bits do, nor, without <see cref="PairwisePlanner"/>, what the errors of layers do together. Cost: a forward pass over the data for each plan.
/// </summary>
public static class PlanVerification
{
    /// <summary>
    /// The plan to take in the place of the first: of those whose loss is lower than its by more than chance (0 lies above the interval of the paired difference over batches) and whose accuracy, where there is one, is no lower, that of
    /// the lowest loss. With k others each interval is of the level <c>1 - (1 - level) / k</c> (Bonferroni), so that among k plans that are no better one is taken no more often than of a single one. Null where there is none, so that a plan stands until something measured speaks against it; of a single batch nothing does.
    /// </summary>
    /// <param name="plan">How the network does under the plan, on data that planning may see; never on test data, which would then choose.</param>
    /// <param name="others">How it does under the other plans, on the same batches.</param>
    /// <param name="level">Of all intervals together, in (0, 1).</param>
    /// <returns>Where the better plan is among <paramref name="others"/>.</returns>
    /// <exception cref="CurvatureException">The qualities are of different batches.</exception>
    public static int? Better(NetworkQuality plan, IReadOnlyList<NetworkQuality> others, double level = 0.95) =>
        Enumerable.Range(0, others.Count)
            .Where(i => IsLower(others[i].LossAbove(plan), 1 - ((1 - level) / others.Count)) && !(others[i].Accuracy < plan.Accuracy))
            .OrderBy(i => others[i].Loss)
            .Select(i => (int?)i)
            .FirstOrDefault();

    /// <summary>Below 0 by more than chance; the error of a single batch is NaN.</summary>
    private static bool IsLower(Estimate difference, double level) => difference.Samples > 1 && difference.ConfidenceInterval(level).High < 0;
}
