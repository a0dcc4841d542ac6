using Curvature.Estimators;

namespace Curvature.Cli.Work;

/// <summary>How a trace is to be estimated.</summary>
/// <param name="Estimator">One of <see cref="KnownTraceEstimators"/>, or <see cref="ExactWork.Name"/>.</param>
/// <param name="Probes">How many products it may spend.</param>
/// <param name="Options">What else it is told.</param>
internal sealed record TraceWork(string Estimator, ProbeWork Probes, EstimatorOptions Options)
{
    /// <summary>The one whose products also give the layers' traces and which keeps no vectors.</summary>
    public const string Default = "hutchinson";

    /// <summary>Whether the layers' traces come with the products, and no vectors are kept.</summary>
    public bool GivesLayers => Estimator is Default or ExactWork.Name;

    /// <summary>Whether it asks for quadratic forms, which a checkpoint keeps as the numbers they are, and not for products.</summary>
    public bool TakesForms => Estimator == Default;

    /// <summary>Whether it comes from per-sample gradients.</summary>
    public bool IsExact => Estimator == ExactWork.Name;

    /// <summary>The estimator with a number of products to spend.</summary>
    public ITraceEstimator With(int products) => KnownTraceEstimators.Create(Estimator, Options with { Products = products });
}
