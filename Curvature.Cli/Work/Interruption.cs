namespace Curvature.Cli.Work;

/// <summary>What is said when a person or a cluster ends the work.</summary>
internal static class Interruption
{
    /// <summary>The folder that the work so far is kept in; null: nowhere.</summary>
    public static string? Checkpoint { get; set; }

    /// <summary>Whether rank 0 answers for all ranks, so that nothing is left to say.</summary>
    public static bool IsAnswered { get; private set; }

    /// <summary>What one process says.</summary>
    public static string OfOne => Checkpoint is null ? "cancelled." : $"cancelled. {Kept}";

    private static string Kept => Checkpoint is { } folder
        ? $"The products so far are in {folder}, and the same command goes on from there."
        : "Nothing half-written is left.";

    /// <summary>Has rank 0 answer for all ranks at once, since their launcher, which tells all of them to end, kills them a moment later.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="error">Where to.</param>
    public static void Answer(string[] args, TextWriter error)
    {
        IsAnswered = true;
        if (Team.Leads)
        {
            error.WriteLine(OfRanks(args));
            error.Flush();
        }
    }

    private static string OfRanks(string[] args) =>
        $"cancelled: curvature {string.Join(' ', args.TakeWhile(word => !word.StartsWith('-')).Take(args.FirstOrDefault() == "measure" ? 2 : 1))} is stopped on all {Team.Count} ranks. {Kept}";
}
