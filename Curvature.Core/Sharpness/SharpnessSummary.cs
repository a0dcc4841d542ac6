using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>What was measured about one curvature matrix at one checkpoint; a quantity that was not asked for is absent.</summary>
public sealed record SharpnessSummary
{
    /// <summary>Size P of the matrix: the number of parameters looked at.</summary>
    public required long Parameters { get; init; }

    /// <summary>Name of the matrix in <see cref="Operators.KnownOperators"/>.</summary>
    public string Matrix { get; init; } = "hessian";

    /// <summary>Trace of the matrix, and of each layer's block where the estimator gives it or it was asked for.</summary>
    public TraceEstimate? Trace { get; init; }

    /// <summary>Eigenvalues with residuals, largest magnitude first.</summary>
    public IReadOnlyList<Eigenvalue> Eigenvalues { get; init; } = [];

    /// <summary>How many eigenvalues were asked for, both ends together, of those that there are; null where nobody said.</summary>
    public int? EigenvaluesWanted { get; init; }

    /// <summary>Whether the search confirmed that no eigenvalue, and no copy of a multiple one, is missing from <see cref="Eigenvalues"/>.</summary>
    public bool EigenvaluesAreComplete { get; init; } = true;

    /// <summary>See <see cref="Eigenpairs.Rounding"/>.</summary>
    public double EigenvalueRounding { get; init; }

    /// <summary>Density of all eigenvalues.</summary>
    public SpectralDensity? Density { get; init; }

    /// <summary>The diagonal, in a few numbers.</summary>
    public DiagonalSummary? Diagonal { get; init; }

    /// <summary>A norm.</summary>
    public NormSummary? Norm { get; init; }

    /// <summary><c>log det(A + lambda I)</c>, in nats.</summary>
    public FunctionEstimate? LogDeterminant { get; init; }

    /// <summary>All P eigenvalues of the dense matrix, ascending, where it was small enough to build.</summary>
    public IReadOnlyList<double>? ExactEigenvalues { get; init; }

    /// <summary>Exact trace of each layer's block by layer name, where the dense matrix was small enough to build.</summary>
    public IReadOnlyDictionary<string, double>? ExactLayerTraces { get; init; }

    /// <summary>Where an optimizer stands, where its settings were given.</summary>
    public StabilitySummary? Stability { get; init; }

    /// <summary>Eigenvalues of mini-batch Hessians beside their law.</summary>
    public BatchSizeMeasurement? BatchSizes { get; init; }

    /// <summary>Loss at the checkpoint over the same samples, in the loss's own unit (nats for cross entropy).</summary>
    public double? Loss { get; init; }

    /// <summary>Euclidean norm of the gradient there.</summary>
    public double? GradientNorm { get; init; }

    /// <summary>The same numbers about each layer's diagonal block, where they were asked for.</summary>
    public IReadOnlyList<LayerSummary> Layers { get; init; } = [];

    /// <summary>The loss along lines through the checkpoint and over the plane that they span.</summary>
    public LandscapeSummary? Landscape { get; init; }

    /// <summary>Which eigenvalues were looked for.</summary>
    public Spectrum Which { get; init; } = Spectrum.Both;

    /// <summary>
    /// The largest of <see cref="Eigenvalues"/>, called the sharpness; absent where only the smallest were looked for, and where all those of the largest
    /// magnitude are negative: the largest is then not among them.
    /// </summary>
    public Eigenvalue? Largest => Eigenvalues.MaxBy(eigenvalue => eigenvalue.Value) is { } largest && (HasAll || Which switch
    {
        Spectrum.Smallest => false,
        Spectrum.Magnitude => !(largest.Value < 0),
        _ => true,
    }) ? largest : null;

    /// <summary>Whether the largest magnitude of the whole spectrum is known: found as an eigenvalue, or by a density.</summary>
    internal bool KnowsLargestMagnitude => HasAll || Density is not null || Which is Spectrum.Both or Spectrum.Magnitude;

    private bool HasAll => Eigenvalues.Count >= Parameters;

    /// <summary>
    /// <c>2 / lambda_max</c>: gradient descent with a larger constant step diverges along the sharpest direction of the quadratic model;
    /// absent without a positive eigenvalue, and of another matrix than the Hessian.
    /// </summary>
    public double? LargestStableLearningRate => Matrix == "hessian" && Largest is { Value: > 0 } largest ? 2 / largest.Value : null;
}
