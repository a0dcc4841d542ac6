using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>
/// What was measured of the curvature of one checkpoint on one data set, with what it was measured on. Absent quantities
/// (null, empty) were not measured; <see cref="Cuts"/> says why. Plain numbers, no tensors: nothing to dispose.
/// </summary>
public sealed record SharpnessReport
{
    /// <summary>Eigenvalues within this fraction of the largest magnitude count as near zero.</summary>
    public const double NearZeroFraction = 0.01;

    /// <summary>The checkpoint's name.</summary>
    public required string ModelName { get; init; }

    /// <summary>The data set's name.</summary>
    public required string DataName { get; init; }

    /// <summary>The loss function's name, e.g. <c>cross-entropy</c>.</summary>
    public required string LossName { get; init; }

    /// <summary>The matrix whose trace and spectrum these are, e.g. <c>hessian</c>.</summary>
    public string MatrixName { get; init; } = "hessian";

    /// <summary>Number of parameters P: the matrix is P x P.</summary>
    public required long ParameterCount { get; init; }

    /// <summary>Versions, device, threads, seed, file hashes, products, seconds: names in snake case, in the order they are shown.</summary>
    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    /// <summary>The exact command that repeats the report.</summary>
    public string? Command { get; init; }

    /// <summary>Value of the objective, in the unit of the loss.</summary>
    public required double Loss { get; init; }

    /// <summary>Fraction of examples classified correctly, where the loss is one of classification.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Euclidean norm of the objective's gradient.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Eigenvalues found one by one, in any order.</summary>
    public IReadOnlyList<Eigenvalue> Eigenvalues { get; init; } = [];

    /// <summary>Trace of the matrix and of its layers' blocks.</summary>
    public TraceEstimate? Trace { get; init; }

    /// <summary>Density of the whole spectrum.</summary>
    public SpectralDensity? Density { get; init; }

    /// <summary>All P eigenvalues from the dense matrix, ascending, where the problem is small enough.</summary>
    public double[]? ExactEigenvalues { get; init; }

    /// <summary>Exact trace of each layer's block by layer name, where known.</summary>
    public IReadOnlyDictionary<string, double>? ExactLayerTraces { get; init; }

    /// <summary>What the time budget left out or reduced, one sentence each.</summary>
    public IReadOnlyList<string> Cuts { get; init; } = [];

    /// <summary>What a reader must know about these numbers.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];

    /// <summary>The largest of <see cref="Eigenvalues"/>, called the sharpness.</summary>
    public Eigenvalue? Largest => Eigenvalues.MaxBy(eigenvalue => eigenvalue.Value);

    /// <summary>The smallest of <see cref="Eigenvalues"/>; one of the ends of the spectrum only if that end was asked for.</summary>
    public Eigenvalue? Smallest => Eigenvalues.MinBy(eigenvalue => eigenvalue.Value);

    /// <summary>
    /// <c>2 / lambda_max</c>: gradient descent with a larger constant step diverges along the sharpest direction of a quadratic
    /// (Cohen et al. 2021, Gradient descent on neural networks typically occurs at the edge of stability); null without a positive eigenvalue.
    /// </summary>
    public double? LargestStableLearningRate => Largest is { Value: > 0 } largest ? 2 / largest.Value : null;

    /// <summary>Half-width of the band called "near zero": <see cref="NearZeroFraction"/> of the largest magnitude in the density.</summary>
    public double? NearZero => Density is null ? null : NearZeroFraction * Math.Max(Math.Abs(Density.Minimum), Math.Abs(Density.Maximum));

    /// <summary>Fraction of eigenvalues with <c>|lambda| &lt;= NearZero</c>.</summary>
    public Estimate? MassNearZero => NearZero is { } band ? Density!.Mass(Math.BitDecrement(-band), band) : null;

    /// <summary>Fraction of eigenvalues with <c>lambda &lt; -NearZero</c>.</summary>
    public Estimate? NegativeMass => NearZero is { } band ? Density!.Cumulative(Math.BitDecrement(-band)) : null;
}
