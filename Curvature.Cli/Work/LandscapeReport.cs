using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>What <c>measure landscape</c> saw.</summary>
internal sealed record LandscapeReport
{
    public required LandscapeRequest Request { get; init; }

    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    public required long Samples { get; init; }

    public required long SamplesAvailable { get; init; }

    public required long Parameters { get; init; }

    public required LandscapeSummary Landscape { get; init; }

    public required IReadOnlyList<Finding> Findings { get; init; }
}
