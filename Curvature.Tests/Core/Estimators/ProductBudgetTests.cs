using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Estimators;

public class ProductBudgetTests
{
    private const double Minutes = 60;

    private static readonly WorkPlan Report = new(Samples: 60_000, Probes: 64, EigenProducts: 100, Steps: 80, Runs: 8);
    private static readonly ProductCost Cost = new(Graph: 1e-4, Product: 2e-4);

    [Theory]
    [InlineData(0, 10 * ((2 * 1e-4) + (6 * 2e-4)))]
    [InlineData(4, (4 * 1e-4) + (6 * 2 * 1e-4) + (10 * 6 * 2e-4))]
    [InlineData(100, 10 * (1e-4 + (6 * 2e-4)))]
    public void A_pass_pays_for_the_graphs_that_were_not_kept(long kept, double seconds) =>
        Assert.Equal(seconds, (Cost with { Kept = kept }).Seconds(10, passes: 2, vectors: 6), 12);

    [Fact]
    public void Ranks_that_share_memory_have_a_part_of_it_each()
    {
        using DisposeScope scope = NewDisposeScope();
        var x = new ParameterSpace([("x", new TorchSharp.Modules.Parameter(ones(1000)))]);
        AssertQuarters(ranks => ProductBudget.FreeBytes(x, ranks) / ProductBudget.FreeBytes(x));
        AssertQuarters(ranks => ProductBudget.VectorsInMemory(x, ranks) / (double)ProductBudget.VectorsInMemory(x));

        static void AssertQuarters(Func<IRanks, double> part)
        {
            double[] parts = ThreadRanks.Run(4, part);
            for (int asked = 1; asked < 10 && !parts.All(p => p is > 0.2 and < 0.3); asked++) // others take memory and give it back between two questions
            {
                parts = ThreadRanks.Run(4, part);
            }

            Assert.All(parts, p => Assert.InRange(p, 0.2, 0.3));
        }
    }

    [Fact]
    public void The_cost_of_a_product_is_measured()
    {
        using DisposeScope scope = NewDisposeScope();
        var x = new TorchSharp.Modules.Parameter(ones(1000, dtype: ScalarType.Float64, device: Here));
        Objective objective = Objective.FromClosure(new ParameterSpace([("x", x)]), [0], _ => x.pow(4).sum(), _ => 1);
        ProductCost cost = ProductCost.Measure(options => new HessianOperator(objective, options), samples: 10);
        Assert.True(cost.Seconds(10, passes: 1, vectors: 1) is > 0 and < double.PositiveInfinity); // what of it: Of
        Assert.True(cost.Kept > 10);
        Assert.Null(cost.Form);
    }

    [Fact]
    public void The_cost_of_quadratic_forms_is_measured_where_they_are_not_made_of_products()
    {
        using DisposeScope scope = NewDisposeScope();
        Objective objective = Problems.Create("tanh-mlp mse").Objective(4, 3);
        Assert.InRange(ProductCost.Measure(options => new HessianOperator(objective, options), samples: 7, forms: true).Form!.Value, double.Epsilon, double.MaxValue);
        Assert.Null(ProductCost.Measure(options => new HessianOperator(objective, options with { ByLayers = false }), samples: 7, forms: true).Form);
        Assert.Null(ProductCost.Measure(options => new GgnOperator(objective, options), samples: 7, forms: true).Form);
    }

    [Fact]
    public void Leaves_a_plan_that_fits_as_it_is() =>
        Assert.Equal(Report, ProductBudget.Fit(Report, new ProductCost(1e-9, 1e-9), 10 * Minutes, samplesFixed: false));

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(60)]
    [InlineData(200)]
    public void Fills_the_time_without_passing_it(double minutes)
    {
        WorkPlan plan = ProductBudget.Fit(Report, Cost, minutes * Minutes, samplesFixed: false);
        Assert.InRange(plan.Seconds(Cost), 0.8 * ProductBudget.Fill * minutes * Minutes, ProductBudget.Fill * minutes * Minutes);
    }

    [Fact]
    public void More_time_never_means_less_work()
    {
        WorkPlan before = ProductBudget.Fit(Report, Cost, 1, samplesFixed: false);
        for (double seconds = 2; seconds < 1e6; seconds *= 1.5)
        {
            WorkPlan plan = ProductBudget.Fit(Report, Cost, seconds, samplesFixed: false);
            Assert.True(plan.Samples >= before.Samples && plan.Probes >= before.Probes && plan.Steps >= before.Steps && plan.Runs >= before.Runs);
            before = plan;
        }
    }

    [Fact]
    public void Cuts_samples_before_anything_else()
    {
        WorkPlan plan = ProductBudget.Fit(Report, Cost, 120 * Minutes, samplesFixed: false);
        Assert.InRange(plan.Samples, 5000, 59_999);
        Assert.Equal(Report with { Samples = plan.Samples }, plan);
        Assert.Equal([FormattableString.Invariant($"{plan.Samples:N0} of 60,000 samples")], plan.CutsFrom(Report));
    }

    [Fact]
    public void Keeps_the_samples_that_the_caller_chose()
    {
        WorkPlan plan = ProductBudget.Fit(Report, Cost, 20 * Minutes, samplesFixed: true);
        Assert.Equal(60_000, plan.Samples);
        Assert.True(plan.Products < Report.Products);
    }

    [Fact]
    public void Ends_at_the_smallest_sensible_plan_when_nothing_fits()
    {
        WorkPlan plan = ProductBudget.Fit(Report, Cost, 0.001, samplesFixed: false);
        Assert.Equal(new WorkPlan(500, 8, 30, 20, 2), plan);
        Assert.Equal(5, plan.CutsFrom(Report).Count);
    }

    [Theory]
    [InlineData(640, 80, 8)]
    [InlineData(639, 80, 7)]
    [InlineData(200, 80, 2)]
    [InlineData(79, 79, 1)]
    [InlineData(0, 1, 1)]
    public void Gives_up_runs_and_then_steps_for_memory(long vectors, int steps, int runs) =>
        Assert.Equal(Report with { Steps = steps, Runs = runs }, Report.WithinMemory(vectors));

    [Fact]
    public void Does_not_add_what_was_not_asked_for()
    {
        var trace = new WorkPlan(60_000, 64, 0, 0, 0);
        WorkPlan plan = ProductBudget.Fit(trace, Cost, 0.001, samplesFixed: false);
        Assert.Equal(new WorkPlan(500, 8, 0, 0, 0), plan);
    }
}
