using Curvature.Estimators;

namespace Curvature.Sharpness;

/// <summary>
/// One layer's block carries more than half of the trace, beyond its 95 % interval, and several times more per parameter than the others together:
/// a large layer that carries what its size makes of it is no news. Where traces are negative, shares are those of the magnitudes.
/// </summary>
public sealed class DominantLayer : IFindingRule
{
    private const double Share = 0.5, PerParameter = 3;

    /// <inheritdoc/>
    public string Id => "dominant-layer";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Trace is not { Layers.Count: > 1 } trace)
        {
            yield break;
        }

        double total = trace.Layers.Sum(l => Math.Abs(l.Trace.Value));
        LayerTrace layer = trace.Layers.MaxBy(l => Math.Abs(l.Trace.Value))!;
        double size = (double)layer.Parameters / trace.Layers.Sum(l => l.Parameters);
        double share = Math.Abs(layer.Trace.Value) / total, least = Least(layer.Trace) / total;
        if (least > Share && least * (1 - size) > PerParameter * (1 - least) * size)
        {
            string whole = trace.Layers.Any(l => l.Trace.Value < 0) ? "the layers' traces, counted by magnitude," : "the trace";
            yield return Finding.Of(
                Id,
                Severity.Info,
                FormattableString.Invariant($"Layer {layer.Name} holds {100 * share:F0} % of {whole} with {100 * size:F0} % of the parameters."),
                ("layer", layer.Name),
                ("share_of_trace", share),
                ("share_of_parameters", size));
        }
    }

    /// <summary>The end of the 95 % interval that is nearer to zero, as a magnitude; below zero where zero lies within.</summary>
    private static double Least(Estimate trace)
    {
        (double low, double high) = trace.ConfidenceInterval();
        return trace.Value > 0 ? low : -high;
    }
}
