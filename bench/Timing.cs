using System.Diagnostics;

namespace Curvature.Bench;

/// <summary>Times of one action over several rounds, in seconds.</summary>
/// <param name="Seconds">One number a round.</param>
internal sealed record Timing(IReadOnlyList<double> Seconds)
{
    public double Median => Quantile(0.5);

    /// <summary>Interquartile range as a fraction of the median: how much the machine was disturbed.</summary>
    public double Spread => (Quantile(0.75) - Quantile(0.25)) / Median;

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
        double[] sorted = [.. Seconds.Order()];
        double place = fraction * (sorted.Length - 1);
        int below = (int)place;
        int above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((place - below) * (sorted[above] - sorted[below]));
    }
}
