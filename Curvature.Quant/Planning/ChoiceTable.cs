namespace Curvature.Quant.Planning;

/// <summary>A multiple-choice knapsack in numbers: of each unit one choice, least sum of objectives, sums of K costs within K limits.</summary>
internal sealed class ChoiceTable
{
    private ChoiceTable(int[][] choice, double[][] objective, double[][] cost, double[] limit) =>
        (Choice, Objective, Cost, Limit) = (choice, objective, cost, limit);

    /// <summary>Number of costs, K.</summary>
    public int Costs => Limit.Length;

    /// <summary>Number of units.</summary>
    public int Units => Choice.Length;

    /// <summary>For each unit, which of its choices are here: those that no other beats or equals in everything.</summary>
    public int[][] Choice { get; }

    /// <summary>By unit and choice.</summary>
    public double[][] Objective { get; }

    /// <summary>By unit, then K numbers a choice.</summary>
    public double[][] Cost { get; }

    /// <summary>The K limits.</summary>
    public double[] Limit { get; }

    /// <summary>The table of some units.</summary>
    /// <param name="units">By unit and choice, the objective.</param>
    /// <param name="costs">By cost, unit and choice.</param>
    /// <param name="limit">By cost.</param>
    public static ChoiceTable Of(IReadOnlyList<double[]> units, IReadOnlyList<IReadOnlyList<double[]>> costs, double[] limit)
    {
        int[][] choice = new int[units.Count][];
        double[][] objective = new double[units.Count][], cost = new double[units.Count][];
        for (int u = 0; u < units.Count; u++)
        {
            int[] kept = Undominated(units[u], [.. costs.Select(kind => kind[u])]);
            choice[u] = kept;
            objective[u] = [.. kept.Select(c => units[u][c])];
            cost[u] = [.. kept.SelectMany(c => costs.Select(kind => kind[u][c]))];
        }

        return new ChoiceTable(choice, objective, cost, limit);
    }

    /// <summary>Whether the cheapest choices, each cost by itself, keep the limits.</summary>
    public bool CanKeepLimits => Enumerable.Range(0, Costs).All(k =>
        Enumerable.Range(0, Units).Sum(u => Enumerable.Range(0, Choice[u].Length).Min(c => Cost[u][(c * Costs) + k])) <= Limit[k]);

    /// <summary>The same table with fewer choices.</summary>
    /// <param name="open">The choices that stay, of each unit.</param>
    /// <param name="unit">A unit that is settled.</param>
    /// <param name="choice">What it is settled at.</param>
    public ChoiceTable With(int[][] open, int unit, int choice)
    {
        int[][] kept = [.. open.Select((choices, u) => u == unit ? [choice] : choices)];
        return new ChoiceTable(
            [.. kept.Select((choices, u) => choices.Select(c => Choice[u][c]).ToArray())],
            [.. kept.Select((choices, u) => choices.Select(c => Objective[u][c]).ToArray())],
            [.. kept.Select((choices, u) => choices.SelectMany(c => Cost[u].Skip(c * Costs).Take(Costs)).ToArray())],
            Limit);
    }

    private static int[] Undominated(double[] objective, double[][] costs)
    {
        return [.. Enumerable.Range(0, objective.Length).Where(c => !Enumerable.Range(0, objective.Length).Any(d => d != c && Beats(d, c)))];

        // Of two that are alike, the first stays.
        bool Beats(int d, int c) =>
            objective[d] <= objective[c] && costs.All(cost => cost[d] <= cost[c]) &&
            (d < c || objective[d] < objective[c] || costs.Any(cost => cost[d] < cost[c]));
    }
}
