using Curvature.Cli.Work;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary>What stages do with the memory they are told of.</summary>
public class StagesTests
{
    [Theory]
    [InlineData(47, false)]
    [InlineData(48, true)]
    public void A_sum_of_squares_that_memory_has_no_room_for_is_left_out_and_that_is_no_cut_of_the_budget(int vectors, bool hasRoom)
    {
        using DisposeScope scope = NewDisposeScope();
        using Sequential model = nn.Sequential(("a", nn.Linear(4, 4)), ("b", nn.Linear(4, 1)));
        var parameters = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn(6, 4), randn(6, 1))]);
        using GgnOperator ggn = new(parameters);
        var wanted = new Quantities { Diagonal = new DiagonalWork(DiagonalWork.Default, new ProbeWork(8, false), new EstimatorOptions()) };
        using Stages stages = new(
            wanted, wanted.Plan(6, ggn.Rows), new ProductCost(1e-6, 1e-6), () => 600, () => vectors, JobRecord.None, new Progress<ProductProgress>(), CancellationToken.None);
        SharpnessSummary summary = stages.Run(new Subject("ggn", parameters, ggn, model, _ => throw new NotSupportedException(), null!, _ => throw new NotSupportedException()));
        Assert.Equal(hasRoom, summary.Diagonal!.SumOfSquares is not null);
        Assert.Empty(stages.Cuts);
        if (hasRoom)
        {
            Assert.Empty(stages.LeftOut);
            return;
        }

        Finding finding = Assert.Single(stages.LeftOut);
        Assert.Equal("left-out", finding.Id);
        Assert.Contains("sum of squares", finding.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("--budget", finding.Message, StringComparison.Ordinal);
    }
}
