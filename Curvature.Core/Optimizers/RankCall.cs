using Curvature.Objectives;

namespace Curvature.Optimizers;

/// <summary>What ranks tell each other when they begin something together. All such beginnings are of one length and say what begins, so that ranks that have come to different ones are all refused, where sums of different lengths would hang.</summary>
internal static class RankCall
{
    /// <summary>A step.</summary>
    public const int Step = 0;

    /// <summary>The writing of what ranks hold between them of a parameter's state.</summary>
    public const int Save = 1;

    /// <summary>The longest, what begins included.</summary>
    private const int Length = 15;

    /// <summary>Tells the others what begins here; collective.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="what">What begins.</param>
    /// <param name="told">Numbers of this rank.</param>
    /// <returns>Those of each rank.</returns>
    /// <exception cref="CurvatureException">Others begin something else.</exception>
    public static double[][] Begin(IRanks ranks, int what, params ReadOnlySpan<double> told)
    {
        double[] own = new double[Length];
        told.CopyTo(own);
        own[^1] = what;
        double[][] all = [.. ranks.Gather(own).Chunk(Length)];
        int saves = Array.FindIndex(all, rank => rank[^1] == Save), steps = Array.FindIndex(all, rank => rank[^1] == Step);
        return saves < 0 || steps < 0
            ? all
            : throw new CurvatureException($"Rank {saves} saves a state, of which each rank has a part, while rank {steps} takes a step: call save_state_dict on every rank, on all but one with a writer to Stream.Null.");
    }
}
