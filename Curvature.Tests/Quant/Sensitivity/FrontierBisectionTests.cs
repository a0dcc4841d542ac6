using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Xunit;

namespace Curvature.Tests.Quant.Sensitivity;

public class FrontierBisectionTests
{
    private static readonly ParetoFrontier Frontier = ParetoFrontier.Of(new PlanningProblem(Table()), PlanCost.Size);

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.37)]
    [InlineData(1.0)]
    public void Finds_the_cheapest_plan_that_keeps_the_bound_in_few_evaluations(double at)
    {
        int expected = (int)(at * (Frontier.Count - 1)), evaluations = 0;
        double size = Frontier.Costs[expected];
        FrontierPlan found = FrontierBisection.Search(Frontier, plan => Count(plan.SizeBits >= size ? 0.95 : 0.85), 0.9);
        Assert.Equal(expected, found.Point);
        Assert.Equal(size, found.Plan.SizeBits);
        Assert.Equal(found.Plan.Bits[0], found.Plan.Bits[1]); // a group
        Assert.Equal(evaluations, found.Accuracies.Count);
        Assert.InRange(evaluations, 1, (int)Math.Ceiling(Math.Log2(Frontier.Count)) + 2);
        Assert.Empty(found.Violations);

        double Count(double accuracy)
        {
            evaluations++;
            return accuracy;
        }
    }

    [Fact]
    public void Says_where_the_accuracy_does_not_rise_and_where_a_check_disagrees()
    {
        int half = Frontier.Count / 2, below = half - Math.Max(2, Frontier.Count / 64);
        FrontierPlan found = FrontierBisection.Search(Frontier, plan => plan.SizeBits >= Frontier.Costs[half] || plan.SizeBits == Frontier.Costs[below] ? 0.95 : 0.85, 0.9);
        Assert.Equal(half, found.Point);
        Assert.Contains($"point {below + 1} of the frontier's {Frontier.Count}, keeps the bound (0.95) where point {half} does not (0.85)", Assert.Single(found.Violations), StringComparison.Ordinal);

        found = FrontierBisection.Search(Frontier, plan => plan.SizeBits >= Frontier.Costs[half] ? 0.95 : 0.85, 0.9, check: plan => plan.SizeBits >= Frontier.Costs[half + 3] ? 0.92 : 0.8);
        Assert.Equal(half + 3, found.Point); // after steps of 1 and 2
        Assert.Equal(2, found.Violations.Count);
        found = FrontierBisection.Search(Frontier, plan => plan.SizeBits >= Frontier.Costs[half] ? 0.95 : 0.85, 0.9, check: _ => 1);
        Assert.Contains($"The check has 1 under point {half}, which keeps the bound", Assert.Single(found.Violations), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_bound_that_the_dearest_plan_misses()
    {
        Assert.Contains("below the bound of 0.9", Assert.Throws<CurvatureException>(() => FrontierBisection.Search(Frontier, _ => 0.5, 0.9)).Message, StringComparison.Ordinal);
        Assert.Contains("the check has 0.5", Assert.Throws<CurvatureException>(() => FrontierBisection.Search(Frontier, _ => 1, 0.9, check: _ => 0.5)).Message, StringComparison.Ordinal);
    }

    private static LayerTable Table() => new()
    {
        Bits = [2, 4, 8],
        Layers = [.. Enumerable.Range(0, 8).Select(i => new TableLayer
        {
            Name = $"l{i}",
            Parameters = 100 + (37 * i),
            Group = i < 2 ? "a" : null,
            Sensitivity = new Dictionary<int, double> { [2] = 1 + (0.7 * i), [4] = 0.1 + (0.05 * i * i), [8] = 0 },
        })],
    };
}
