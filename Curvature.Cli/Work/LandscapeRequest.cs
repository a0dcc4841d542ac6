namespace Curvature.Cli.Work;

/// <summary>The command line of <c>measure landscape</c>; see the options' descriptions.</summary>
internal sealed record LandscapeRequest
{
    public const string Random = "random", Eigenvectors = "eigenvectors";

    public required WorkRequest Work { get; init; }

    /// <summary>One of the constants.</summary>
    public string Directions { get; init; } = Random;

    public int Steps { get; init; } = 21;

    /// <summary>Null: 1 around the checkpoint, 2 between two.</summary>
    public double? Range { get; init; }

    /// <summary>1: only the two lines; 2: the plane too.</summary>
    public int Dimensions { get; init; } = 2;

    /// <summary>A second checkpoint of the same network; null: none.</summary>
    public string? To { get; init; }

    /// <summary>Folder for the figures and the numbers; null: none.</summary>
    public string? Out { get; init; }
}
