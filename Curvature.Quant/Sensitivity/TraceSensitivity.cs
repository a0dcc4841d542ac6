using Curvature.Estimators;
using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// HAWQ-V2's sensitivity (Dong et al. 2020, eq. 9): the average trace of a layer's block of the Hessian times the squared error of its weight, <c>tr(H_l) / n_l |Q(W_l) - W_l|^2</c>, the traces estimated, with
/// their standard errors, or exact. The factor 1/2 of the expansion is left out, as there.
/// </summary>
public static class TraceSensitivity
{
    /// <summary>A table of the layers.</summary>
    /// <param name="errors">Of the weights that the traces are of.</param>
    /// <param name="traces">
    /// Trace of every layer's block over the same parameters (<c>ITraceEstimator.Estimate(..).Layers</c>, or <see cref="ExactLayerTraces"/> with standard error 0): a layer has one weight.
    /// </param>
    /// <exception cref="CurvatureException">A layer has no trace, or has several parameters, whose trace is not that of its weight.</exception>
    public static LayerTable Table(WeightErrors errors, IReadOnlyList<LayerTrace> traces)
    {
        var named = traces.ToDictionary(trace => trace.Name, StringComparer.Ordinal);
        return new LayerTable
        {
            Bits = errors.Bits,
            Layers = [.. errors.Space.Layers.Select(layer =>
            {
                if (layer.Indices.Count != 1 || !named.TryGetValue(layer.Name, out LayerTrace? trace) || trace.Parameters != layer.Count)
                {
                    throw new CurvatureException(
                        $"Layer '{layer.Name}': expected one weight and the trace of its {layer.Count} entries, got {layer.Indices.Count} parameters and {(named.TryGetValue(layer.Name, out LayerTrace? other) ? $"a trace over {other.Parameters}" : "no trace")}. Choose weights only, the same for both.");
                }

                int row = layer.Indices[0];
                return new TableLayer
                {
                    Name = layer.Name,
                    Parameters = layer.Count,
                    AverageTrace = trace.Trace.Value / layer.Count,
                    TraceStandardError = trace.Trace.StandardError / layer.Count is > 0 and var error && double.IsFinite(error) ? error : null,
                    Error = Enumerable.Range(0, errors.Bits.Count).ToDictionary(b => errors.Bits[b], b => errors.Squares[row, b]),
                };
            })],
        };
    }
}
