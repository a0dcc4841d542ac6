namespace Curvature.Sharpness;

/// <summary>How far the law of random matrices tells the eigenvalues of mini-batch Hessians of this network, and what follows from it.</summary>
public sealed class BatchSizeVerdict : IFindingRule
{
    private const double Share = 0.2;

    /// <inheritdoc/>
    public string Id => "batch-size-law";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.BatchSizes is not { Measured: [var smallest, ..] } found)
        {
            yield break;
        }

        BatchSizeLaw law = found.Directional;
        double predicted = law.LargestAt(smallest.BatchSize);
        if (!double.IsFinite(smallest.Largest.Value + predicted + found.Largest.Value))
        {
            yield break; // said as non-finite
        }

        string holds = found.HoldsFrom(law, Share) switch
        {
            { } from when from <= smallest.BatchSize => "holds within 20 % (or the error bars) at all sizes measured",
            { } from when from < found.Samples => $"holds within 20 % (or the error bars) from batches of {from} on",
            _ => "does not hold within 20 % at any size measured",
        };
        yield return Finding.Of(
            Id,
            Severity.Info,
            FormattableString.Invariant(
                $"Batches of {smallest.BatchSize} are {smallest.Largest.Value / found.Largest.Value:G3} times as sharp as the full data (predicted: {predicted / found.Largest.Value:G3} times); the law with the noise along the sharpest direction {holds}. By it the noise matters below batches of about {law.CriticalBatch:G3}."),
            ("critical_batch", law.CriticalBatch),
            ("measured", smallest.Largest.Value),
            ("predicted", predicted),
            ("predicted_isotropic", found.Isotropic.LargestAt(smallest.BatchSize)));
    }
}
