namespace Curvature.Quant.Planning;

/// <summary>
/// From the choices of least objective, again and again the step of one unit to fewer bits that adds least to the objective for what it saves of the exceeded limits (each in
/// shares of its limit), until all are kept; then whatever fits back, the largest gain first. What most tools do; not exact. Quadratic in the number of layers.
/// </summary>
public sealed record GreedyPlanner : IPlanner
{
    private const double Least = 1e-12; // what saves less is rounding, and could be taken back and forth

    /// <inheritdoc/>
    public BitPlan Plan(PlanningProblem problem, IReadOnlyList<Limit> limits, CancellationToken cancellation = default)
    {
        var bounds = Bounds.Of(problem, limits);
        int[] plan = [.. problem.Units.Select(unit => Array.IndexOf(unit.Objective, unit.Objective.Min()))];
        while (!bounds.Keep(plan))
        {
            cancellation.ThrowIfCancellationRequested();
            (int unit, int choice) = CheapestStep(problem, bounds, plan) ?? throw bounds.Together(0, null);
            plan[unit] = choice;
        }

        while (BestReturn(problem, bounds, plan) is { } step)
        {
            cancellation.ThrowIfCancellationRequested();
            plan[step.Unit] = step.Choice;
        }

        return problem.Plan(plan);
    }

    private static (int Unit, int Choice)? CheapestStep(PlanningProblem problem, Bounds bounds, int[] plan)
    {
        double[] sums = [.. bounds.Kinds.Select(kind => problem.Units.Zip(plan, (unit, choice) => unit[kind]![choice]).Sum())];
        (double Price, int Unit, int Choice) best = (double.PositiveInfinity, -1, -1);
        for (int u = 0; u < plan.Length; u++)
        {
            PlanningUnit unit = problem.Units[u];
            for (int choice = 0; choice < unit.Widths.Length; choice++)
            {
                double saved = 0;
                for (int k = 0; k < sums.Length; k++)
                {
                    double after = sums[k] - unit[bounds.Kinds[k]]![plan[u]] + unit[bounds.Kinds[k]]![choice], limit = bounds.Values[k];
                    saved += (Math.Max(0, sums[k] - limit) - Math.Max(0, after - limit)) / Math.Max(limit, 1);
                }

                double price = (unit.Objective[choice] - unit.Objective[plan[u]]) / saved;
                best = saved > Least && price < best.Price ? (price, u, choice) : best;
            }
        }

        return best.Unit < 0 ? null : (best.Unit, best.Choice);
    }

    private static (int Unit, int Choice)? BestReturn(PlanningProblem problem, Bounds bounds, int[] plan)
    {
        (double Gain, int Unit, int Choice) best = (0, -1, -1);
        for (int u = 0; u < plan.Length; u++)
        {
            int stands = plan[u];
            for (int choice = 0; choice < problem.Units[u].Widths.Length; choice++)
            {
                double gain = problem.Units[u].Objective[stands] - problem.Units[u].Objective[choice];
                if (gain > best.Gain)
                {
                    plan[u] = choice;
                    best = bounds.Keep(plan) ? (gain, u, choice) : best;
                    plan[u] = stands;
                }
            }
        }

        return best.Unit < 0 ? null : (best.Unit, best.Choice);
    }
}
