namespace Curvature.Samples.Study;

/// <summary>
/// Which run comes next, the same for every optimizer: trials of learning rates with seed 0, then the other seeds at the best rate, then short runs of all seeds at that rate. A rate is the best
/// if its training loss at the end is the lowest.
/// </summary>
/// <param name="Trials">Learning rates tried, at least 3.</param>
/// <param name="Seeds">Runs at the best rate, that of its trial among them.</param>
internal sealed record StudyPlan(int Trials = 6, int Seeds = 3)
{
    // Places on the axis of rates, in sixteenths of a decade: the first three trials are half a decade apart.
    private const int Decade = 16, Half = Decade / 2;

    /// <summary>The next run of an optimizer on a problem; null where all are made.</summary>
    public (double Rate, int Seed, int Steps)? Next(StudyProblem problem, Contender contender, StudyResults results)
    {
        Trial[] made = [.. results.Of(problem, contender)];
        if (Tuned(problem, contender, results) is not { } best)
        {
            Dictionary<int, double> tried = Tried(problem, contender, made);
            return (Rate(contender, NextPlace(tried)), 0, problem.Steps);
        }

        (double Rate, int Seed, int Steps)[] wanted =
        [
            .. Enumerable.Range(0, Seeds).Select(seed => (best, seed, problem.Steps)),
            .. Enumerable.Range(0, Seeds).Select(seed => (best, seed, problem.ShortSteps)),
        ];
        (double, int, int)[] missing = [.. wanted.Where(run => !made.Any(trial => trial.Rate == run.Rate && trial.Seed == run.Seed && trial.Steps == run.Steps))];
        return missing.Length > 0 ? missing[0] : null;
    }

    /// <summary>The best rate, once all trials are made; else null. If all diverged, the smallest.</summary>
    public double? Tuned(StudyProblem problem, Contender contender, StudyResults results)
    {
        Dictionary<int, double> tried = Tried(problem, contender, results.Of(problem, contender));
        return tried.Count < Trials ? null : Rate(contender, Best(tried));
    }

    /// <summary>The trials with their losses at the end, ascending in the rate.</summary>
    public static IReadOnlyList<(double Rate, double Loss)> Curve(StudyProblem problem, Contender contender, StudyResults results) =>
        [.. Tried(problem, contender, results.Of(problem, contender)).OrderBy(trial => trial.Key).Select(trial => (Rate(contender, trial.Key), trial.Value))];

    /// <summary>A rate of two digits.</summary>
    private static double Rate(Contender contender, int place) => double.Parse(
        (contender.Rate * Math.Pow(10, place / (double)Decade)).ToString("e1", System.Globalization.CultureInfo.InvariantCulture),
        System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>
    /// The three rates around the contender's own first; then half a decade beyond the best, where that is the highest or lowest tried; else between the best and a neighbour, in the wider gap, of
    /// equal ones towards the neighbour with the lower loss.
    /// </summary>
    private static int NextPlace(Dictionary<int, double> tried)
    {
        if (((int[])[0, -Half, Half]).Where(place => !tried.ContainsKey(place)).ToArray() is [int first, ..])
        {
            return first;
        }

        int best = Best(tried);
        if (best == tried.Keys.Min())
        {
            return best - Half;
        }

        if (best == tried.Keys.Max())
        {
            return best + Half;
        }

        (int below, int above) = (tried.Keys.Where(place => place < best).Max(), tried.Keys.Where(place => place > best).Min());
        bool down = best - below != above - best ? best - below > above - best : tried[below] < tried[above];
        return down ? (best + below) / 2 : (best + above) / 2;
    }

    private static int Best(Dictionary<int, double> tried) => tried.OrderBy(trial => trial.Value).ThenBy(trial => trial.Key).First().Key;

    private static Dictionary<int, double> Tried(StudyProblem problem, Contender contender, IEnumerable<Trial> made)
    {
        Dictionary<double, double> losses = made.Where(trial => trial.Seed == 0 && trial.Steps == problem.Steps).ToDictionary(trial => trial.Rate, trial => trial.Final);
        return Enumerable.Range(-20 * Decade, 40 * Decade).Where(place => losses.ContainsKey(Rate(contender, place))).ToDictionary(place => place, place => losses[Rate(contender, place)]);
    }
}
