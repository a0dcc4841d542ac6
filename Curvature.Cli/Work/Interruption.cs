namespace Curvature.Cli.Work;

/// <summary>What is said when a person or a cluster ends the work.</summary>
internal static class Interruption
{
    /// <summary>The folder that the work so far is kept in; null: nowhere.</summary>
    public static string? Checkpoint { get; set; }

    /// <summary>What one process says.</summary>
    public static string OfOne => Checkpoint is null ? "cancelled." : $"cancelled. {Kept}";

    private static string Kept => Checkpoint is { } folder
        ? $"The products so far are in {folder}, and the same command goes on from there."
        : "Nothing half-written is left.";

    /// <summary>What ranks say at once, since their launcher kills them a moment later.</summary>
    /// <param name="args">The command line.</param>
    public static string OfRanks(string[] args) =>
        $"cancelled: curvature {string.Join(' ', args.TakeWhile(word => !word.StartsWith('-')).Take(args.FirstOrDefault() == "measure" ? 2 : 1))} is stopped on all {Team.Count} ranks. {Kept}";
}
