namespace Curvature.Estimators;

/// <summary>What every diagonal estimator can be told; <see cref="KnownDiagonalEstimators.Create"/> hands it to the one that is named.</summary>
public sealed record DiagonalOptions
{
    /// <value>Products to spend, at most. Default 64. As many as there are columns give the exact diagonal.</value>
    public int Products { get; init; } = 64;

    /// <value>Probes before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>Stop once the error of the whole vector, <see cref="DiagonalEstimate.RelativeError"/>, is at most this; null (default): spend all products.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the probes.</value>
    public int Seed { get; init; }
}
