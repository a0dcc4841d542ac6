namespace Curvature.Cli.Work;

/// <summary>The command line of <c>measure landscape</c>; see the options' descriptions.</summary>
internal sealed record LandscapeRequest
{
    public required WorkRequest Work { get; init; }

    /// <summary>One of those of <see cref="LandscapeWork"/>.</summary>
    public string Directions { get; init; } = LandscapeWork.Random;

    public int Steps { get; init; } = 21;

    /// <summary>Null: 1 around the checkpoint, 2 between two.</summary>
    public double? Range { get; init; }

    /// <summary>1: only the two lines; 2: the plane too.</summary>
    public int Dimensions { get; init; } = 2;

    /// <summary>A second checkpoint of the same network; null: none.</summary>
    public string? To { get; init; }

    /// <summary>Folder for the figures and the numbers; null: none.</summary>
    public string? Out { get; init; }

    /// <summary>Points at which the loss is evaluated.</summary>
    public int Points => To is null ? Around.Points : Steps;

    /// <summary>All of the work, in evaluations of the loss.</summary>
    public int Evaluations => To is null ? Around.Evaluations : Steps;

    /// <summary>The same with fewer points, where more evaluations than these are not affordable.</summary>
    public LandscapeRequest Within(double evaluations) => this with { Steps = To is null ? Around.Within(evaluations).Steps : LandscapeWork.StepsWithin(Steps, evaluations) };

    /// <summary>What is looked at around the checkpoint, where there is no second one.</summary>
    public LandscapeWork Around => new() { Directions = Directions, Steps = Steps, Range = Range ?? 1, HasPlane = Dimensions == 2, Seed = Work.Seed };
}
