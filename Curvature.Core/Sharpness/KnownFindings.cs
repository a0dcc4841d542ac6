namespace Curvature.Sharpness;

/// <summary>The catalogue of rules: a new rule is one file and one line here.</summary>
public static class KnownFindings
{
    /// <summary>Every rule, in the order in which its findings are listed within one severity.</summary>
    public static IReadOnlyList<IFindingRule> Rules { get; } =
    [
        new NonFiniteValues(),
        new NotConverged(),
        new ImpreciseTrace(),
        new ImpreciseDiagonal(),
        new CoarseQuadrature(),
        new CoarseDensity(),
        new NegativeCurvature(),
        new DominantLayer(),
        new EdgeOfStability(),
        new NoisyStability(),
        new BatchSizeVerdict(),
        new StableLearningRate(),
    ];

    /// <summary>
    /// What all rules say about <paramref name="summary"/>, and what they warn of in its layers, the most serious first.
    /// </summary>
    public static IReadOnlyList<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        IEnumerable<Finding> layers = summary.Layers.SelectMany(layer => Examine(layer.Summary)
            .Where(finding => finding.Severity > Severity.Info)
            .Select(finding => finding with { Message = $"Layer {layer.Name}: {finding.Message}" }));
        return [.. Rules.SelectMany(rule => rule.Examine(summary)).Concat(layers).OrderByDescending(finding => finding.Severity)];
    }
}
