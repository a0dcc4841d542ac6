namespace Curvature.Quant.Planning;

/// <summary>
/// The plan of least objective within all limits: <c>min sum_l s_l(b_l)</c> subject to <c>sum_l cost_l(b_l) &lt;= limit</c> (HAWQ-V3: Yao et al. 2021, section 3.4, which
/// leaves it to a solver of integer programs). Exact to the rounding of sums: enumeration of all that Lagrangian bounds leave open, by dynamic programming with
/// dominance in objective and costs, in a branch and bound. Of plans alike in objective any may come. Two hundred layers with four choices take some tens of milliseconds. Groups of
/// dozens of layers under several limits take seconds, and sensitivities in exact proportion to unlike sizes are the worst case: a subset sum, which may never end.
/// </summary>
public sealed record ExactPlanner : IPlanner
{
    /// <inheritdoc/>
    public BitPlan Plan(PlanningProblem problem, IReadOnlyList<Limit> limits, CancellationToken cancellation = default)
    {
        var bounds = Bounds.Of(problem, limits);
        Require(problem, bounds, cancellation);
        int[] plan = LimitedSearch.Solve(bounds.Table(unit => unit.Objective, bounds.Kinds.Count), cancellation) ?? throw bounds.Together(bounds.Kinds.Count - 1, null);
        return problem.Plan(plan);
    }

    /// <summary>
    /// Throws where limits cannot be kept together. Fewest bits mostly can; else each limit's least cost beside those before it is itself a plan to find.
    /// </summary>
    private static void Require(PlanningProblem problem, Bounds bounds, CancellationToken cancellation)
    {
        if (bounds.Kinds.Count == 1 || bounds.Keep([.. problem.Units.Select(_ => 0)]))
        {
            return;
        }

        for (int k = 1; k < bounds.Kinds.Count; k++)
        {
            PlanCost kind = bounds.Kinds[k];
            int[] cheapest = LimitedSearch.Solve(bounds.Table(unit => unit[kind]!, k), cancellation) ?? throw bounds.Together(k - 1, null);
            double least = problem.Units.Zip(cheapest, (unit, choice) => unit[kind]![choice]).Sum();
            if (least > bounds.Values[k])
            {
                throw bounds.Together(k, least);
            }
        }
    }
}
