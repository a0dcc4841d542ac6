namespace Curvature.Estimators;

/// <summary>What every trace estimator can be told; <see cref="KnownTraceEstimators.Create"/> hands it to the one that is named.</summary>
public sealed record TraceOptions
{
    /// <value>Products to spend, at most. Default 64. As many as there are columns give the exact trace.</value>
    public int Products { get; init; } = 64;

    /// <value>Samples before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>
    /// Stop once half the 95 % confidence interval is at most this fraction of the value; null (default): spend all products. Where there may be as many
    /// products as columns, fewer are tried first (half as many, or with Hutchinson's estimator as long as the tolerance promises to be reached sooner).
    /// </value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the probes.</value>
    public int Seed { get; init; }
}
