using Curvature.Pruning;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>What <c>prune</c> did.</summary>
internal sealed record PruneReport
{
    public required PruneRequest Request { get; init; }

    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    /// <summary>Before, by OBS, by magnitude.</summary>
    public required IReadOnlyList<PruneOutcome> Outcomes { get; init; }

    public required IReadOnlyList<PrunedLayer> Layers { get; init; }

    /// <summary>Sum over the steps of what the quadratic model foretold.</summary>
    public double? PredictedIncrease { get; init; }

    public required int Gradients { get; init; }

    public required int GradientSamples { get; init; }

    public required IReadOnlyList<Finding> Findings { get; init; }
}
