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

    /// <summary>The estimator with a number of products to spend.</summary>
    public IDiagonalEstimator With(int products) => KnownDiagonalEstimators.Create(Estimator, Options with { Products = products });
}
