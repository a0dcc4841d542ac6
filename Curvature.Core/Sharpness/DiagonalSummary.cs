using Curvature.Estimators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>The diagonal of a curvature matrix in a few numbers, of the whole and of each layer.</summary>
/// <param name="Whole">All parameters.</param>
/// <param name="Layers">Each layer's.</param>
/// <param name="RelativeError">Error of the whole vector relative to it, <see cref="DiagonalEstimate.RelativeError"/>.</param>
/// <param name="SumOfSquares"><c>sum_i A_ii^2</c>; null where the estimator gives none.</param>
/// <param name="Products">Matrix-vector products spent.</param>
public sealed record DiagonalSummary(LayerDiagonal Whole, IReadOnlyList<LayerDiagonal> Layers, double RelativeError, Estimate? SumOfSquares, int Products)
{
    // Entries further below zero than this many of their standard errors count as negative.
    private const double Sure = 2;

    /// <summary>Sums an estimate up.</summary>
    /// <param name="estimate">A diagonal over <paramref name="parameters"/>; stays the caller's.</param>
    /// <param name="parameters">The parameters with their layers.</param>
    public static DiagonalSummary Of(DiagonalEstimate estimate, ParameterSpace parameters)
    {
        ArgumentNullException.ThrowIfNull(estimate);
        ArgumentNullException.ThrowIfNull(parameters);
        using DisposeScope scope = NewDisposeScope();
        Tensor Part(Tensor vector, ParameterLayer layer) =>
            cat([.. layer.Indices.Select(i => vector.narrow(0, parameters.Offset(i), parameters.Parameters[i].numel()))]);
        return new DiagonalSummary(
            Of("whole model", estimate.Values, estimate.StandardErrors),
            [.. parameters.Layers.Select(layer => Of(layer.Name, Part(estimate.Values, layer), Part(estimate.StandardErrors, layer)))],
            estimate.RelativeError,
            estimate.SumOfSquares,
            estimate.Products);
    }

    private static LayerDiagonal Of(string name, Tensor values, Tensor errors)
    {
        using DisposeScope scope = NewDisposeScope();
        long count = values.numel();
        return new LayerDiagonal(
            name,
            count,
            values.sum(ScalarType.Float64).ToDouble(),
            values.min().ToDouble(),
            values.max().ToDouble(),
            values.add(errors.mul(Sure)).lt(0).sum(ScalarType.Float64).ToDouble() / count,
            Precision.Norm(errors) / Math.Sqrt(count));
    }
}
