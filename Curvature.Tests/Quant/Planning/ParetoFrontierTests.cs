using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Quant.Planning;

public class ParetoFrontierTests
{
    [Theory]
    [InlineData(PlanCost.Size)]
    [InlineData(PlanCost.Bops)]
    [InlineData(PlanCost.Latency)]
    [InlineData(PlanCost.MacBits)]
    public void Is_every_plan_that_no_other_beats(PlanCost cost)
    {
        var random = new Random(11);
        for (int instance = 0; instance < 60; instance++)
        {
            LayerTable table = Tables.Random(random, random.Next(1, 7), [2, 4, 6, 8], random.Next(3), wholeLatency: instance % 2 == 0);
            var best = new List<(double Cost, double Objective)>();
            foreach ((double Cost, double Objective) plan in Tables.All(table).Select(plan => (plan.Cost(cost), plan.Objective)).Order())
            {
                if (best.Count == 0 || plan.Objective < best[^1].Objective * (1 - 1e-13))
                {
                    best.Add(plan);
                }
            }

            ParetoFrontier frontier = ParetoFrontier.Of(new PlanningProblem(table), cost);
            Assert.Equal(best.Count, frontier.Count);
            IReadOnlyList<BitPlan> plans = frontier.Plans([.. Enumerable.Range(0, frontier.Count)]);
            for (int point = 0; point < frontier.Count; point++)
            {
                Assert.Equal(best[point].Cost, frontier.Costs[point], 1e-12 * best[point].Cost);
                Assert.Equal(best[point].Objective, frontier.Objectives[point], 1e-12 * best[point].Objective);
                Assert.Equal(frontier.Costs[point], plans[point].Cost(cost)!.Value, 1e-12 * best[point].Cost);
                Assert.Equal(frontier.Objectives[point], plans[point].Objective, 1e-12 * best[point].Objective);
            }
        }
    }

    [Fact]
    public void Two_hundred_layers_with_four_choices_take_less_than_thirty_seconds_and_little_memory()
    {
        // Errors in proportion to sizes, as those of networks nearly are: many plans that differ little.
        var random = new Random(3);
        int[] bits = [2, 3, 4, 8];
        var problem = new PlanningProblem(new LayerTable
        {
            Bits = bits,
            Layers =
            [
                .. Enumerable.Range(0, 200).Select(i =>
                {
                    long parameters = random.Next(1, 2_000_000);
                    double scale = parameters * Math.Exp(6 * random.NextDouble());
                    return Tables.Layer($"l{i}", parameters, [.. bits.Select(b => (b, scale * Math.Pow(4, -b) * (1 + (0.3 * random.NextDouble()))))]);
                }),
            ],
        });
        long before = GC.GetTotalMemory(forceFullCollection: true);
        TimeSpan start = Environment.CpuUsage.TotalTime; // of this process: others have their own
        ParetoFrontier frontier = ParetoFrontier.Of(problem, PlanCost.Size);
        Assert.InRange((Environment.CpuUsage.TotalTime - start).TotalSeconds, 0, 30);
        long bytes = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(frontier.Count, 100_000, 2_000_000);
        Assert.InRange(bytes, 0, 1.6 * frontier.Count * 200);

        IReadOnlyList<int> shown = frontier.Sample(1000), hull = frontier.ConvexHull();
        Assert.InRange(shown.Count, 990, 1000);
        Assert.Empty(hull.Except(shown));
        IReadOnlyList<BitPlan> plans = frontier.Plans(shown);
        Assert.All(shown.Zip(plans), pair => Assert.Equal(frontier.Costs[pair.First], pair.Second.SizeBits));
        Assert.All(shown.Zip(plans), pair => Assert.Equal(frontier.Objectives[pair.First], pair.Second.Objective, 1e-12 * pair.Second.Objective));
    }

    [Fact]
    public void The_convex_hull_is_what_prices_choose()
    {
        ParetoFrontier frontier = ParetoFrontier.Of(new PlanningProblem(Tables.Random(new Random(2), 30, [2, 4, 8])), PlanCost.Size);
        IReadOnlyList<int> hull = frontier.ConvexHull();
        Assert.Equal((0, frontier.Count - 1), (hull[0], hull[^1]));
        var random = new Random(0);
        var chosen = new HashSet<int>();
        for (int draw = 0; draw < 300; draw++)
        {
            double price = Math.Exp((random.NextDouble() * 30) - 20);
            chosen.Add(Enumerable.Range(0, frontier.Count).MinBy(point => frontier.Objectives[point] + (price * frontier.Costs[point])));
        }

        Assert.Empty(chosen.Except(hull));
        Assert.InRange(chosen.Count, hull.Count / 2, hull.Count);
    }

    [Fact]
    public void Finds_the_best_point_within_a_limit()
    {
        ParetoFrontier frontier = ParetoFrontier.Of(new PlanningProblem(Tables.Random(new Random(4), 6, [2, 4, 8])), PlanCost.Latency);
        Assert.Equal(-1, frontier.Within(frontier.Costs[0] * 0.999));
        Assert.Equal(0, frontier.Within(frontier.Costs[0]));
        Assert.Equal(4, frontier.Within((frontier.Costs[4] + frontier.Costs[5]) / 2));
        Assert.Equal(frontier.Count - 1, frontier.Within(double.PositiveInfinity));
        Assert.Equal(frontier.Costs[3], frontier.Plan(3).LatencyMs!.Value, 1e-9);
        Assert.Throws<ArgumentOutOfRangeException>(() => frontier.Plan(frontier.Count));
    }

    [Fact]
    public void Points_to_show_keep_both_ends_however_few()
    {
        ParetoFrontier frontier = ParetoFrontier.Of(new PlanningProblem(Tables.Random(new Random(6), 40, [2, 3, 4, 8])), PlanCost.Size);
        Assert.True(frontier.ConvexHull().Count > 10);
        foreach (int most in (int[])[2, 3, 10, 100])
        {
            IReadOnlyList<int> shown = frontier.Sample(most);
            Assert.InRange(shown.Count, Math.Max(2, (int)(0.9 * most)), most);
            Assert.Equal((0, frontier.Count - 1), (shown[0], shown[^1]));
            Assert.Equal(shown.Order(), shown);
        }

        Assert.Equal(frontier.Count, frontier.Sample(int.MaxValue).Count);
    }
}
