using Curvature.Estimators;

namespace Curvature.Cli.Work;

/// <summary>How a diagonal is to be estimated.</summary>
/// <param name="Estimator">One of <see cref="KnownDiagonalEstimators"/>, or <see cref="ExactWork.Name"/>.</param>
/// <param name="Probes">How many products it may spend.</param>
/// <param name="Options">What else it is told.</param>
internal sealed record DiagonalWork(string Estimator, ProbeWork Probes, EstimatorOptions Options)
{
    /// <summary>The one that keeps no vectors.</summary>
    public const string Default = "hutchinson";

    /// <summary>Whether it keeps vectors for its products.</summary>
    public bool KeepsVectors => Estimator is not (Default or ExactWork.Name);

    /// <summary>Whether it comes from per-sample gradients.</summary>
    public bool IsExact => Estimator == ExactWork.Name;

    /// <summary>Vectors beside those of a pass that an estimate of the sum of squares takes; 0 where there is none to estimate.</summary>
    public int VectorsOfSquares => Estimator == Default ? HutchinsonDiagonal.VectorsOfSquares : 0;

    /// <summary>The estimator with a number of products to spend, and the sum of squares where there is memory for it.</summary>
    public IDiagonalEstimator With(int products, bool sumOfSquares) =>
        KnownDiagonalEstimators.Create(Estimator, Options with { Products = products, SumOfSquares = sumOfSquares });
}
