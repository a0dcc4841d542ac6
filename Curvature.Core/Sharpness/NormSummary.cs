using Curvature.Estimators;

namespace Curvature.Sharpness;

/// <summary>A norm of a curvature matrix: an estimate, or two bounds.</summary>
/// <param name="Kind"><c>frobenius</c>, <c>operator</c>, or <c>schatten-P</c> with the order P.</param>
public sealed record NormSummary(string Kind)
{
    /// <summary>A Frobenius or Schatten norm.</summary>
    public Estimate? Estimate { get; init; }

    /// <summary>Of a Schatten norm, how far its quadrature is from settled; see <see cref="FunctionEstimate.QuadratureError"/>.</summary>
    public double? QuadratureError { get; init; }

    /// <summary>The operator norm.</summary>
    public NormBound? Bound { get; init; }
}
