using Curvature.Operators;
using Curvature.Tensors;

namespace Curvature.Estimators;

/// <summary>A way to estimate the trace of a matrix that is known by its products. <see cref="KnownTraceEstimators"/> lists them.</summary>
public interface ITraceEstimator
{
    /// <summary>Estimates the trace.</summary>
    /// <param name="a">A square operator <c>[P, P]</c>.</param>
    /// <param name="layers">Blocks for the traces of the layers, for the methods that have them.</param>
    /// <param name="progress">Told after each chunk of products.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    /// <returns>The trace with its standard error; layers where the method has them, else an empty list.</returns>
    /// <exception cref="CurvatureException">An operator that the method does not take, settings out of range, or too little memory.</exception>
    TraceEstimate Estimate(
        LinearOperator a, ParameterSpace? layers = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default);
}
