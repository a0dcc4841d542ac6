namespace Curvature.Quant.Planning;

/// <summary>
/// All Pareto-optimal plans under one cost, by dynamic programming over units: the frontier of the first k + 1 units is the lower envelope of the frontier of the
/// first k, moved by each choice (Nemhauser and Ullmann 1969; multiple choice: Dyer, Riha and Walker 1995). A merge of sorted lists: time proportional to the points of all stages, times choices.
/// </summary>
internal sealed class FrontierSearch
{
    // Sums of float64 in another order differ by some units in the last place: below that, a smaller objective is none.
    private const double Rounding = 1.0 / (1L << 46);

    private readonly List<(PlanningUnit Unit, int[] Choices, FrontierStage Stage)> _stages = [];
    private readonly int[] _single;
    private double[] _cost;
    private double[] _objective;

    private FrontierSearch(IReadOnlyList<PlanningUnit> units, PlanCost cost, CancellationToken cancellation)
    {
        _single = new int[units.Count];
        (_cost, _objective) = ([0], [0]);
        for (int u = 0; u < units.Count; u++)
        {
            cancellation.ThrowIfCancellationRequested();
            Add(units[u], u, units[u][cost]!);
        }

        Units = units;
    }

    /// <summary>Costs of the points, strictly ascending.</summary>
    public double[] Cost => _cost;

    /// <summary>Objectives of the points, strictly descending.</summary>
    public double[] Objective => _objective;

    private IReadOnlyList<PlanningUnit> Units { get; }

    /// <summary>The frontier over all units.</summary>
    public static FrontierSearch Run(IReadOnlyList<PlanningUnit> units, PlanCost cost, CancellationToken cancellation) => new(units, cost, cancellation);

    /// <summary>The choices of some points, given by ascending index.</summary>
    public int[][] Choices(int[] points)
    {
        int[][] plans = [.. points.Select(_ => _single.ToArray())];
        int[] at = [.. points];
        byte[] taken = new byte[points.Length];
        var unit = Units.Select((unit, index) => (unit, index)).ToDictionary(pair => pair.unit, pair => pair.index);
        foreach ((PlanningUnit stageUnit, int[] choices, FrontierStage stage) in Enumerable.Reverse(_stages))
        {
            // Points that are in order come from points in no order: each choice's are.
            int[] order = [.. Enumerable.Range(0, at.Length).OrderBy(i => at[i])];
            int[] sorted = [.. order.Select(i => at[i])], before = new int[at.Length];
            stage.StepBack(sorted, before, taken);
            for (int i = 0; i < order.Length; i++)
            {
                at[order[i]] = before[i];
                plans[order[i]][unit[stageUnit]] = choices[taken[i]];
            }
        }

        return plans;
    }

    private void Add(PlanningUnit unit, int index, double[] cost)
    {
        int[] choices = Undominated(cost, unit.Objective);
        double[] moveCost = [.. choices.Select(choice => cost[choice])], moveObjective = [.. choices.Select(choice => unit.Objective[choice])];
        if (choices.Length == 1)
        {
            _single[index] = choices[0];
            for (int i = 0; i < _cost.Length; i++)
            {
                _cost[i] += moveCost[0];
                _objective[i] += moveObjective[0];
            }

            return;
        }

        _stages.Add((unit, choices, Merge(moveCost, moveObjective)));
    }

    /// <summary>Choices by ascending cost, without those that another one beats or equals in both.</summary>
    private static int[] Undominated(double[] cost, double[] objective)
    {
        var kept = new List<int>();
        foreach (int choice in Enumerable.Range(0, cost.Length).OrderBy(choice => cost[choice]).ThenBy(choice => objective[choice]))
        {
            if (kept.Count == 0 || objective[choice] < objective[kept[^1]])
            {
                kept.Add(choice);
            }
        }

        return [.. kept];
    }

    private FrontierStage Merge(double[] moveCost, double[] moveObjective)
    {
        int count = _cost.Length, moves = moveCost.Length;
        int[] head = new int[moves];
        ulong[][] kept = [.. moveCost.Select(_ => new ulong[(count + 63) / 64])];
        double[] cost = new double[2 * count], objective = new double[2 * count];
        byte[] choice = new byte[2 * count];
        int made = 0;
        double bound = double.PositiveInfinity; // what a point's objective must be below to be worth its cost
        while (true)
        {
            int least = -1;
            double leastCost = 0, leastObjective = 0;
            for (int c = 0; c < moves; c++)
            {
                int at = head[c];
                while (at < count && _objective[at] + moveObjective[c] >= bound)
                {
                    at++;
                }

                head[c] = at;
                if (at == count)
                {
                    continue;
                }

                double ownCost = _cost[at] + moveCost[c], ownObjective = _objective[at] + moveObjective[c];
                if (least < 0 || ownCost < leastCost || (ownCost == leastCost && ownObjective < leastObjective))
                {
                    (least, leastCost, leastObjective) = (c, ownCost, ownObjective);
                }
            }

            if (least < 0)
            {
                break;
            }

            if (made == cost.Length)
            {
                Array.Resize(ref cost, 2 * made);
                Array.Resize(ref objective, 2 * made);
                Array.Resize(ref choice, 2 * made);
            }

            (cost[made], objective[made], choice[made]) = (leastCost, leastObjective, (byte)least);
            kept[least][head[least] >> 6] |= 1UL << (head[least] & 63);
            bound = leastObjective - (Rounding * Math.Abs(leastObjective));
            head[least]++;
            made++;
        }

        (_cost, _objective) = (cost.AsSpan(0, made).ToArray(), objective.AsSpan(0, made).ToArray());
        return new FrontierStage(choice.AsSpan(0, made).ToArray(), kept);
    }
}
