using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Quant.Planning;

public class KnownPlannersTests
{
    public static TheoryData<string> Names => [.. KnownPlanners.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_planner_keeps_limits_groups_and_fixed_layers_and_none_beats_the_exact_one(string name)
    {
        var random = new Random(1);
        int optimal = 0;
        for (int instance = 0; instance < 40; instance++)
        {
            LayerTable table = Tables.Random(random, 12, [2, 4, 8], groups: 2).Fix([new("layer3", 8)]);
            var problem = new PlanningProblem(table);
            Limit[] limits = [Limit.Interpolate(PlanCost.Size, 0.1m + (0.02m * instance)), Limit.Interpolate(PlanCost.Latency, 0.9m)];
            BitPlan plan = KnownPlanners.Create(name).Plan(problem, limits), best = new ExactPlanner().Plan(problem, limits);
            Assert.All(limits, limit => Assert.True(plan.Cost(limit.Cost) <= limit.MostOf(problem) * (1 + 1e-12)));
            Assert.Equal(plan, problem.Evaluate(plan.Assignment) with { Bits = plan.Bits, Assignment = plan.Assignment });
            Assert.True(plan.Objective >= best.Objective - 1e-12);
            optimal += plan.Objective <= best.Objective + 1e-12 ? 1 : 0;
        }

        Assert.True(name == "exact" ? optimal == 40 : optimal < 40); // the others are there to be compared with
    }

    [Fact]
    public void Every_planner_that_needs_a_table_alone_is_in_the_catalogue() => Assert.Equal(
        typeof(IPlanner).Assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false, Namespace: "Curvature.Quant.Planning" } && typeof(IPlanner).IsAssignableFrom(type)).Select(type => type.Name).Order(),
        KnownPlanners.All.Select(planner => planner.Create().GetType().Name).Order());

    [Fact]
    public void Unknown_planners_are_told_the_known() =>
        Assert.Contains("known are exact, greedy, monotone", Assert.Throws<CurvatureException>(() => KnownPlanners.Create("random")).Message, StringComparison.Ordinal);

    /// <summary>The layer with the larger trace loses little, the one with the smaller trace much; there is room for one of them at 8 bits.</summary>
    [Fact]
    public void The_order_of_traces_may_cost_a_factor_of_fifty()
    {
        LayerTable table = new()
        {
            Bits = [2, 8],
            Layers =
            [
                new TableLayer { Name = "a", Parameters = 100, Macs = 1000, AverageTrace = 2, Error = new Dictionary<int, double> { [2] = 1, [8] = 0.01 } },
                new TableLayer { Name = "b", Parameters = 100, Macs = 1000, AverageTrace = 1, Error = new Dictionary<int, double> { [2] = 100, [8] = 0.1 } },
            ],
        };
        foreach (Limit limit in (Limit[])[Limit.AverageBits(5), Limit.Compression(1.6m)])
        {
            Assert.Equal(100.02, new MonotonePlanner().Plan(new PlanningProblem(table), [limit]).Objective, 1e-12);
            Assert.Equal(2.1, new ExactPlanner().Plan(new PlanningProblem(table), [limit]).Objective, 1e-12);
        }
    }

    [Fact]
    public void The_monotone_search_is_the_best_plan_in_order()
    {
        var random = new Random(3);
        for (int instance = 0; instance < 30; instance++)
        {
            LayerTable table = Tables.Random(random, 6, [2, 4, 8]);
            int[] order = [.. Enumerable.Range(0, 6).OrderBy(layer => table.Layers[layer].AverageTrace)];
            var limit = Limit.Interpolate(PlanCost.Bops, 0.5m);
            var problem = new PlanningProblem(table);
            double best = Tables.All(table)
                .Where(plan => plan.Cost(PlanCost.Bops) <= limit.MostOf(problem) && order.Zip(order[1..]).All(pair => plan.Bits[pair.First] <= plan.Bits[pair.Second]))
                .Min(plan => plan.Objective);
            Assert.Equal(best, new MonotonePlanner().Plan(problem, [limit]).Objective, 1e-12);
        }
    }

    [Fact]
    public void The_monotone_search_needs_traces_and_a_number_of_plans_that_can_be_tried()
    {
        LayerTable table = new() { Bits = [4, 8], Layers = [Tables.Layer("a", 1, (4, 1), (8, 0)), Tables.Layer("b", 1, (4, 1), (8, 0))] };
        Assert.Contains("'a' has none", Assert.Throws<CurvatureException>(() => new MonotonePlanner().Plan(new PlanningProblem(table), [Limit.AverageBits(8)])).Message, StringComparison.Ordinal);
        LayerTable large = Tables.Random(new Random(0), 200, [2, 3, 4, 5, 6, 8]);
        Assert.Contains("too many to try", Assert.Throws<CurvatureException>(() => new MonotonePlanner().Plan(new PlanningProblem(large), [Limit.AverageBits(4)])).Message, StringComparison.Ordinal);
        Assert.InRange(new MonotonePlanner().Plan(new PlanningProblem(large with { Bits = [2, 4, 6, 8] }), [Limit.AverageBits(4)]).AverageBits, 3, 4);
    }

    [Fact]
    public void Error_bars_say_which_choices_would_flip()
    {
        // a and b compete for the one place at 8 bits; a leads by 0.1 with a standard error of 0.1 sqrt(2) on the difference: it loses in 24 % of the draws. c is far behind.
        LayerTable table = new()
        {
            Bits = [4, 8],
            Layers =
            [
                Tables.Layer("a", 1, (4, 1.1), (8, 0)) with { SensitivityStandardError = new Dictionary<int, double> { [4] = 0.1 } },
                new TableLayer { Name = "b", Parameters = 1, AverageTrace = 0.5, TraceStandardError = 0.05, Error = new Dictionary<int, double> { [4] = 2, [8] = 0 } },
                Tables.Layer("c", 1, (4, 0.2), (8, 0)),
            ],
        };
        var problem = new PlanningProblem(table);
        Limit[] limits = [Limit.Parse("size=2B")];
        BitPlan plan = new ExactPlanner().Plan(problem, limits);
        Assert.Equal([8, 4, 4], plan.Bits);
        ChoiceUncertainty uncertainty = ChoiceUncertainty.Of(problem, limits, plan, draws: 2000, seed: 1)!;
        Assert.Equal(0.2398, uncertainty.Layers[0].Flips, 4 * Math.Sqrt(0.24 * 0.76 / 2000));
        Assert.Equal(uncertainty.Layers[0].Flips, uncertainty.Layers[1].Shares[8], 1e-12);
        Assert.Equal((0, 1), (uncertainty.Layers[2].Flips, uncertainty.Layers[2].Shares[4]));

        // Expected loss of staying with a: E max(0, x), x normal of mean -0.1 and deviation 0.1 sqrt(2): s (phi(z) - z (1 - Phi(z))), z = 1/sqrt(2).
        Assert.Equal(0.01997, uncertainty.MeanRegret, 4 * 0.06 / Math.Sqrt(2000));
        Assert.Equal(uncertainty.MeanRegret, ChoiceUncertainty.Of(problem, limits, plan, draws: 2000, seed: 1)!.MeanRegret);
        Assert.Null(ChoiceUncertainty.Of(new PlanningProblem(table with { Layers = [table.Layers[2]] }), limits, plan));
    }
}
