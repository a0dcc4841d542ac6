using Curvature.Estimators;

namespace Curvature.Sharpness;

/// <summary>One layer's block carries more than half of the trace, beyond its 95 % interval.</summary>
public sealed class DominantLayer : IFindingRule
{
    private const double Share = 0.5;

    /// <inheritdoc/>
    public string Id => "dominant-layer";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Trace is not { Layers.Count: > 1, Total.Value: > 0 and var total } trace)
        {
            yield break;
        }

        LayerTrace layer = trace.Layers.MaxBy(l => l.Trace.Value)!;
        if (layer.Trace.ConfidenceInterval().Low > Share * total)
        {
            yield return Finding.Of(
                Id,
                Severity.Info,
                FormattableString.Invariant(
                    $"Layer {layer.Name} holds {100 * layer.Trace.Value / total:F0} % of the trace with {100.0 * layer.Parameters / summary.Parameters:F0} % of the parameters."),
                ("layer", layer.Name),
                ("share_of_trace", layer.Trace.Value / total),
                ("share_of_parameters", (double)layer.Parameters / summary.Parameters));
        }
    }
}
