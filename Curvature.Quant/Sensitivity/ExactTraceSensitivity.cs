using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// As <see cref="EstimatedTraceSensitivity"/> with the exact traces of the Gauss-Newton matrix's blocks from per-sample gradients (<see cref="ExactLayerTraces"/>), which are the Hessian's where the network is
/// piecewise linear in the layer. Cost: a backward pass for each output of the network. C# models of known layers only.
/// </summary>
public sealed record ExactTraceSensitivity : ISensitivity
{
    /// <inheritdoc/>
    public double? IncreaseFactor => 0.5;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) => problem.Undisturbed(() =>
    {
        ExactTraceEstimate traces = new ExactLayerTraces().Estimate(problem.Objective(), problem.Network.Module, progress, cancellation);
        return problem.Table([.. traces.Layers.Select(layer => (layer.Trace.Value / layer.Parameters, 0.0))]);
    });
}
