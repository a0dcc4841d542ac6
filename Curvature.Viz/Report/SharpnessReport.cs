using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>
/// A sharpness report's material: what was measured, on what, how, and what a reader must know about it.
/// <see cref="ReportWriter"/> makes the files of it.
/// </summary>
public sealed record SharpnessReport
{
    /// <summary>The checkpoint's name.</summary>
    public required string ModelName { get; init; }

    /// <summary>The data set's name, with its number of examples.</summary>
    public required string DataName { get; init; }

    /// <summary>The loss function's name, e.g. <c>cross-entropy</c>.</summary>
    public required string LossName { get; init; }

    /// <summary>The numbers.</summary>
    public required SharpnessSummary Summary { get; init; }

    /// <summary>Versions, device, threads, seed, file hashes, products, seconds: names in snake case, in the order shown.</summary>
    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    /// <summary>The exact command that repeats the report.</summary>
    public string? Command { get; init; }

    /// <summary>What the time budget left out or reduced, one sentence each.</summary>
    public IReadOnlyList<string> Cuts { get; init; } = [];

    /// <summary>What a reader must know about these numbers, the most serious first.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];
}
