using Curvature.Quant.Planning;

namespace Curvature.Samples;

/// <summary>Bits for the layers of a ResNet18, from the sensitivities that HAWQ-V3 published: within limits, along the Pareto frontier, and beside other ways to choose.</summary>
internal static class BitWidthPlans
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        #region plan
        LayerTable table = LayerTable.Read("data/hawq-v3-resnet18.json");
        PlanningProblem problem = new(table);
        Limit[] limits = [Limit.Parse("size=interp:0.5"), Limit.Parse("latency=4.2ms")];
        BitPlan plan = new ExactPlanner().Plan(problem, limits, cancellation);
        Console.WriteLine($"{string.Concat(plan.Bits)}: {plan.SizeBytes / 1e6:F2} MB, {plan.LatencyMs:F2} ms, objective {plan.Objective:F4}");

        ParetoFrontier frontier = ParetoFrontier.Of(problem, PlanCost.Size, cancellation);
        Console.WriteLine($"{frontier.Count} plans are best for some size, {frontier.ConvexHull().Count} of them for some price of a byte");
        BitPlan six = frontier.Plan(frontier.Within(0.75 * frontier.Costs[^1])); // three quarters of 8 bits throughout
        #endregion

        Console.WriteLine($"at {six.SizeBytes / 1e6:F2} MB the least objective is {six.Objective:F4}");
        foreach (KnownPlanner planner in KnownPlanners.All)
        {
            BitPlan other = planner.Create().Plan(problem, limits, cancellation);
            Console.WriteLine($"{planner.Name,-10} {string.Concat(other.Bits)} objective {other.Objective:F4}");
        }
    }
}
