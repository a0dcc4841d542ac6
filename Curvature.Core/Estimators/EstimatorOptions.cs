namespace Curvature.Estimators;

/// <summary>
/// What every estimator of a trace or a diagonal can be told; <see cref="KnownTraceEstimators.Create"/> and <see cref="KnownDiagonalEstimators.Create"/> hand it to the
/// one that is named.
/// </summary>
public sealed record EstimatorOptions
{
    /// <value>Products to spend, at most. Default 64. As many as there are columns give the exact answer.</value>
    public int Products { get; init; } = 64;

    /// <value>Samples before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>
    /// Stop once the error is at most this fraction of the value: of a trace half its 95 % confidence interval, of a diagonal
    /// <see cref="DiagonalEstimate.RelativeError"/>. Null (default): spend all products. Where a trace may take as many products as there are columns, fewer are tried first
    /// (half as many, or with Hutchinson's estimator as long as the tolerance promises to be reached sooner).
    /// </value>
    public double? RelativeTolerance { get; init; }

    /// <value>
    /// Whether a diagonal comes with the sum of its squares where it is an estimate (<see cref="HutchinsonDiagonal.SumOfSquares"/>: 16 vectors of memory; <see cref="XDiag"/> has
    /// none). An exact diagonal always does. Default false.
    /// </value>
    public bool SumOfSquares { get; init; }

    /// <value>Seed of the probes.</value>
    public int Seed { get; init; }
}
