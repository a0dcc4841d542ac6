using Curvature.Quant.Sensitivity;
using Xunit;

namespace Curvature.Tests.Quant.Sensitivity;

public class AccuracyBisectionTests
{
    private const int Layers = 20;

    private static readonly IReadOnlyList<(string, double)> Scores = [.. Enumerable.Range(0, Layers).Select(l => ($"l{l:00}", (double)l))];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(13)]
    [InlineData(20)]
    public void Finds_how_many_layers_keep_the_bound_in_few_evaluations(int holds)
    {
        int evaluations = 0;
        AccuracyPlan plan = new AccuracyBisection { Levels = [32, 4] }.Search(_ => Scores, Accuracy, 0.9);
        Assert.Equal(holds, plan.Levels[0].Layers);
        Assert.Equal(Enumerable.Range(0, Layers).Select(l => l < holds ? 4 : 32), plan.Bits.OrderBy(pair => pair.Key).Select(pair => pair.Value));
        Assert.InRange(plan.Evaluations, 1, (int)Math.Ceiling(Math.Log2(Layers + 1)) + 1);
        Assert.Equal(evaluations - 1, plan.Evaluations);
        Assert.Empty(plan.Levels[0].Violations);

        double Accuracy(IReadOnlyDictionary<string, int> bits)
        {
            evaluations++;
            return bits.Values.Count(b => b == 4) <= holds ? 0.95 : 0.85;
        }
    }

    [Fact]
    public void Levels_are_nested()
    {
        AccuracyPlan plan = new AccuracyBisection { Levels = [16, 8, 4] }.Search(_ => Scores, bits => 1 - (0.01 * bits.Values.Count(b => b < 16)) - (0.02 * bits.Values.Count(b => b < 8)), 0.8501);
        Assert.Equal([14, 0], plan.Levels.Select(level => level.Layers));
        plan = new AccuracyBisection { Levels = [16, 8, 4] }.Search(_ => Scores, bits => 1 - (0.01 * bits.Values.Count(b => b < 8)), 0.9501);
        Assert.Equal([20, 4], plan.Levels.Select(level => level.Layers));
        Assert.Equal(["l00", "l01", "l02", "l03"], plan.Bits.Where(pair => pair.Value == 4).Select(pair => pair.Key).Order());
    }

    [Fact]
    public void Says_where_accuracy_does_not_fall_and_where_a_check_disagrees()
    {
        AccuracyPlan plan = new AccuracyBisection { Levels = [32, 4] }.Search(_ => Scores, bits => bits.Values.Count(b => b == 4) is <= 6 or 8 ? 0.95 : 0.5, 0.9);
        Assert.Equal(6, plan.Levels[0].Layers);
        Assert.Contains("8 layers at 4 bits keep the bound (0.95) where 7 do not (0.5)", Assert.Single(plan.Levels[0].Violations), StringComparison.Ordinal);

        plan = new AccuracyBisection { Levels = [32, 4] }.Search(_ => Scores, bits => bits.Values.Count(b => b == 4) <= 5 ? 0.95 : 0.5, 0.9, check: bits => bits.Values.Count(b => b == 4) <= 3 ? 0.95 : 0.6);
        Assert.Equal(3, plan.Levels[0].Layers);
        Assert.Equal(2, plan.Levels[0].Violations.Count);
        plan = new AccuracyBisection { Levels = [32, 4] }.Search(_ => Scores, bits => bits.Values.Count(b => b == 4) <= 5 ? 0.95 : 0.5, 0.9, check: _ => 1);
        Assert.Contains("the check has 1 with 6 layers", Assert.Single(plan.Levels[0].Violations), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_bound_that_the_start_misses_and_levels_out_of_order()
    {
        Assert.Contains("the accuracy is 0.5, below the bound of 0.9", Assert.Throws<CurvatureException>(() => new AccuracyBisection().Search(_ => Scores, _ => 0.5, 0.9)).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => new AccuracyBisection { Levels = [4, 8] }.Search(_ => Scores, _ => 1, 0.9));
        Assert.Throws<CurvatureException>(() => new AccuracyBisection { Levels = [4] }.Search(_ => Scores, _ => 1, 0.9));
    }
}
