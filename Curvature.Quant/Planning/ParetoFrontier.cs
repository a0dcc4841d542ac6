namespace Curvature.Quant.Planning;

/// <summary>
/// Every plan that no other beats in both objective and one cost: exact, by dynamic programming, and complete but for plans whose two numbers equal those of another.
/// Points are in the order of cost; objectives descend. Memory: about 1.5 bytes for each point and unit; a plan is put together when it is asked for.
/// </summary>
public sealed class ParetoFrontier
{
    private readonly PlanningProblem _problem;
    private readonly FrontierSearch _search;

    private ParetoFrontier(PlanningProblem problem, PlanCost cost, FrontierSearch search) => (_problem, CostKind, _search) = (problem, cost, search);

    /// <summary>The cost beside the objective.</summary>
    public PlanCost CostKind { get; }

    /// <summary>How many points it has.</summary>
    public int Count => _search.Cost.Length;

    /// <summary>Costs, ascending, in the unit of <see cref="PlanCost"/>.</summary>
    public IReadOnlyList<double> Costs => _search.Cost;

    /// <summary>Objectives, descending.</summary>
    public IReadOnlyList<double> Objectives => _search.Objective;

    /// <summary>The frontier of <paramref name="problem"/> under <paramref name="cost"/>.</summary>
    /// <exception cref="CurvatureException">The table does not say what every layer costs.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ParetoFrontier Of(PlanningProblem problem, PlanCost cost, CancellationToken cancellation = default)
    {
        problem.Require(cost, Limit.Name(cost));
        return new ParetoFrontier(problem, cost, FrontierSearch.Run(problem.Units, cost, cancellation));
    }

    /// <summary>The plan of one point.</summary>
    public BitPlan Plan(int point) => Plans([point])[0];

    /// <summary>The plans of several points, which is faster than one after the other.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is not one of a point.</exception>
    public IReadOnlyList<BitPlan> Plans(IReadOnlyList<int> points)
    {
        foreach (int point in points)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(point, nameof(points));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(point, Count, nameof(points));
        }

        return [.. _search.Choices([.. points]).Select(_problem.Plan)];
    }

    /// <summary>The point of least objective that costs at most <paramref name="limit"/>; -1 where all cost more.</summary>
    public int Within(double limit)
    {
        int found = Array.BinarySearch(_search.Cost, limit);
        return found >= 0 ? found : ~found - 1;
    }

    /// <summary>The points on the lower convex hull: the plans that some price of the cost makes best.</summary>
    public IReadOnlyList<int> ConvexHull()
    {
        var hull = new List<int>();
        for (int point = 0; point < Count; point++)
        {
            while (hull.Count > 1 && !TurnsUp(hull[^2], hull[^1], point))
            {
                hull.RemoveAt(hull.Count - 1);
            }

            hull.Add(point);
        }

        return hull;
    }

    /// <summary>At most <paramref name="most"/> points to show: the convex hull, both ends, and the rest evenly by rank.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="most"/> is less than 2.</exception>
    public IReadOnlyList<int> Sample(int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 2);
        if (Count <= most)
        {
            return [.. Enumerable.Range(0, Count)];
        }

        IReadOnlyList<int> hull = ConvexHull();
        var chosen = new SortedSet<int>(hull.Count <= most ? hull : Evenly(hull.Count, most).Select(i => hull[i]));
        foreach (int point in Evenly(Count, Math.Max(2, most - chosen.Count)))
        {
            if (chosen.Count < most)
            {
                chosen.Add(point);
            }
        }

        return [.. chosen];
    }

    private static IEnumerable<int> Evenly(int count, int wanted) => Enumerable.Range(0, wanted).Select(i => (int)((long)i * (count - 1) / (wanted - 1)));

    /// <summary>Whether the slope from a to b is steeper, downwards, than from b to c.</summary>
    private bool TurnsUp(int a, int b, int c)
    {
        double[] x = _search.Cost, y = _search.Objective;
        return (y[b] - y[a]) * (x[c] - x[b]) < (y[c] - y[b]) * (x[b] - x[a]);
    }
}
