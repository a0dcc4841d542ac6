using System.Diagnostics;

namespace Curvature.Bench;

/// <summary>Times of one action over several rounds, in seconds, or in times of another action (<see cref="Over"/>).</summary>
/// <param name="Rounds">One number a round.</param>
internal sealed record Timing(IReadOnlyList<double> Rounds)
{
    public double Median => Quantile(0.5);

    /// <summary>Interquartile range as a fraction of the median: how much the machine was disturbed.</summary>
    public double Spread => (Quantile(0.75) - Quantile(0.25)) / Math.Abs(Median);

    /// <summary>
    /// The time in another action's of the same round. The median of such ratios holds still where the machine's speed changes from round to round and each median with it: 1.169 to 1.180 in four runs
    /// whose ratios of medians were 1.13 to 1.20.
    /// </summary>
    public Timing Over(Timing unit) => new([.. Rounds.Zip(unit.Rounds, (time, other) => time / other)]);

    /// <summary>What this takes beyond another action, round by round.</summary>
    public Timing Beyond(Timing other) => new([.. Rounds.Zip(other.Rounds, (time, less) => time - less)]);

    /// <summary>For a table: <see cref="Over"/>'s median and spread.</summary>
    /// <param name="unit">The other action.</param>
    /// <param name="repetitions">How often this one did what is to be compared.</param>
    public string In(Timing unit, int repetitions = 1)
    {
        Timing ratio = Over(unit);
        return $"{ratio.Median / repetitions:F2}x ({ratio.Spread:P0})";
    }

    /// <summary>
    /// Times the actions in turns, so that what disturbs the machine disturbs all of them alike. Two rounds warm up; then as many as fit into
    /// ten seconds, between 9 and 101 (three when quick).
    /// </summary>
    public static Timing[] Interleaved(bool quick, params Func<double>[] actions)
    {
        double[] Round() => [.. actions.Select(action => action())];

        Round();
        double length = Round().Sum();
        int rounds = quick ? 3 : (int)Math.Clamp(10 / length, 9, 101);
        double[][] seconds = [.. Enumerable.Range(0, rounds).Select(_ => Round())];
        return [.. actions.Select((_, i) => new Timing([.. seconds.Select(round => round[i])]))];
    }

    /// <summary>Makes an action that measures itself.</summary>
    public static Func<double> Of(Action action) => () =>
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    };

    private double Quantile(double fraction)
    {
        double[] sorted = [.. Rounds.Order()];
        double place = fraction * (sorted.Length - 1);
        int below = (int)place;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
