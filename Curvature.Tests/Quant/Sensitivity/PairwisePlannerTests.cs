using Curvature.Operators;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Tensors;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Sensitivity;

public sealed class PairwisePlannerTests : IDisposable
{
    private static readonly int[] Widths = [2, 3, 8];

    private readonly DisposeScope _scope = NewDisposeScope();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Is_never_worse_than_the_separable_plan_and_no_change_of_two_layers_helps_it(int seed)
    {
        QuadraticModel model = Model(seed);
        var problem = new PlanningProblem(model.Table());
        Limit[] limits = [Limit.AverageBits(4)];
        double most = limits[0].MostOf(problem);
        BitPlan plan = new PairwisePlanner(model).Plan(problem, limits), separable = new ExactPlanner().Plan(problem, limits);
        Assert.True(plan.SizeBits <= most);
        Assert.True(model.Increase(plan.Bits) <= model.Increase(separable.Bits));
        int[] bits = [.. plan.Bits];
        double least = double.PositiveInfinity;
        foreach (int[] other in Assignments(bits.Length).Where(other => other.Zip(bits).Count(pair => pair.First != pair.Second) <= 2))
        {
            if (other.Zip(problem.Table.Layers, (b, layer) => b * layer.Parameters).Sum() <= most)
            {
                least = Math.Min(least, model.Increase(other));
            }
        }

        Assert.Equal(least, model.Increase(bits), 1e-9 * Math.Abs(least));
    }

    [Fact]
    public void Layers_of_a_group_go_together()
    {
        QuadraticModel model = Model(2);
        LayerTable table = model.Table().WithGroup("g", ["a", "d"]);
        var problem = new PlanningProblem(table);
        Limit[] limits = [Limit.AverageBits(4)];
        BitPlan plan = new PairwisePlanner(model).Plan(problem, limits);
        Assert.Equal(plan.Bits[0], plan.Bits[3]);
        double most = limits[0].MostOf(problem), least = Assignments(4)
            .Where(other => other[0] == other[3] && other.Zip(table.Layers, (b, layer) => b * layer.Parameters).Sum() <= most)
            .Where(other => new[] { other[0] != plan.Bits[0], other[1] != plan.Bits[1], other[2] != plan.Bits[2] }.Count(differs => differs) <= 2)
            .Min(model.Increase);
        Assert.Equal(least, model.Increase(plan.Bits), 1e-9 * Math.Abs(least));
    }

    [Fact]
    public void Terms_between_layers_change_the_plan_and_the_score()
    {
        QuadraticModel model = Model(1);
        var table = model.Table();
        IReadOnlyList<(string Layer, double Score)> own = InterLayerScore.Of(table, model, 2, beta: 0), augmented = InterLayerScore.Of(table, model, 2);
        Assert.Equal(table.Layers.Select(layer => layer.SensitivityAt(2)!.Value), own.Select(layer => layer.Score));
        double expected = own[1].Score + new[] { 0, 2, 3 }.Sum(m => Math.Max(0, model.Term(1, 0, m, 0)));
        Assert.Equal(expected, augmented[1].Score, 1e-12);
        Assert.Throws<CurvatureException>(() => InterLayerScore.Of(table, model, 4));
        Assert.Throws<CurvatureException>(() => InterLayerScore.Of(table, model, 2, beta: double.NaN));
        LayerTable strange = table with { Layers = [.. table.Layers.Skip(1)] };
        Assert.Contains("Plan for what was measured", Assert.Throws<CurvatureException>(() => new PairwisePlanner(model).Plan(new PlanningProblem(strange), [Limit.AverageBits(4)])).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _scope.Dispose();

    private static QuadraticModel Model(int seed)
    {
        manual_seed(seed);
        var weights = new ParameterSpace([("a.weight", randn([3, 4], ScalarType.Float64).to(Here)), ("b.weight", randn([2, 3], ScalarType.Float64).to(Here)), ("c.weight", randn([4, 2], ScalarType.Float64).to(Here)), ("d.weight", randn([5, 2], ScalarType.Float64).to(Here))]);
        Tensor root = randn([weights.Count, weights.Count], ScalarType.Float64).to(Here);
        using WeightErrors errors = WeightErrors.Of(weights, Widths);
        using var matrix = new MatrixOperator(root.mm(root.t()));
        return QuadraticModel.Of(errors, matrix);
    }

    private static IEnumerable<int[]> Assignments(int layers) => layers == 0
        ? [[]]
        : Assignments(layers - 1).SelectMany(head => Widths.Select(bits => (int[])[.. head, bits]));
}
