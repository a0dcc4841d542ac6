using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Sensitivity;
using Xunit;

namespace Curvature.Tests.Quant.Sensitivity;

public class PlanVerificationTests
{
    private static readonly double[] Batches = [1.0, 3.0, 0.5, 2.0, 1.5, 0.2]; // what batches differ in is more than what plans do

    [Fact]
    public void A_difference_of_losses_is_paired_over_batches_and_weighted_by_their_terms()
    {
        BatchQuality[] one = [new(1, 2, null, null), new(3, 1, null, null), new(5, 1, null, null)], other = [new(1.5, 2, null, null), new(2, 1, null, null), new(5, 1, null, null)];
        Estimate mean = NetworkQuality.Of(other, Reduction.Mean).LossAbove(NetworkQuality.Of(one, Reduction.Mean)), sum = NetworkQuality.Of(other, Reduction.Sum).LossAbove(NetworkQuality.Of(one, Reduction.Sum));
        Assert.Equal(((2 * 0.5) - 1) / 4.0, mean.Value, 1e-12); // weights 2, 1, 1; differences 0.5, -1, 0 with the mean 0
        Assert.Equal(Math.Sqrt(((1 * 1) + (1 * 1)) / 16.0 * 3 / 2), mean.StandardError, 1e-12);
        Assert.Equal(-0.5, sum.Value, 1e-12);
        Assert.Equal(3 * Math.Sqrt(((0.5 + (1 / 6.0)) * (0.5 + (1 / 6.0))) + ((-1 + (1 / 6.0)) * (-1 + (1 / 6.0))) + (1 / 36.0)) / Math.Sqrt(2 * 3), sum.StandardError, 1e-12);
        Assert.Throws<CurvatureException>(() => NetworkQuality.Of(one[..2], Reduction.Mean).LossAbove(NetworkQuality.Of(one, Reduction.Mean)));
    }

    [Fact]
    public void Stands_until_another_plan_is_measurably_better()
    {
        NetworkQuality plan = Quality(0, 0, right: 90);
        Assert.Null(PlanVerification.Better(plan, []));
        Assert.Null(PlanVerification.Better(plan, [Quality(0.01, 0, 90), Quality(-0.001, 0.05, 90)])); // higher; lower by less than chance
        Assert.Equal(1, PlanVerification.Better(plan, [Quality(-0.01, 0.001, 90), Quality(-0.02, 0.001, 91), Quality(-0.001, 0.05, 90)]));
        Assert.Null(PlanVerification.Better(plan, [Quality(-0.02, 0.001, 89)])); // a lower loss with fewer right answers is not better
        Assert.Equal(0, PlanVerification.Better(Quality(0, 0, null), [Quality(-0.02, 0.001, null)]));
    }

    [Fact]
    public void One_batch_tells_nothing()
    {
        BatchQuality high = new(2, 10, null, null), low = new(1, 10, null, null);
        Assert.Null(PlanVerification.Better(NetworkQuality.Of([high], Reduction.Mean), [NetworkQuality.Of([low], Reduction.Mean)]));
        Assert.Equal(double.PositiveInfinity, NetworkQuality.Of([high], Reduction.Mean).LossAbove(NetworkQuality.Of([low], Reduction.Mean)).ConfidenceInterval().High);
    }

    [Fact]
    public void Plans_that_differ_by_chance_alone_are_taken_no_more_often_than_the_level_says_however_many_there_are()
    {
        const int Runs = 4000, Plans = 8, Each = 20;
        var random = new Random(7);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
        NetworkQuality Noise() => NetworkQuality.Of([.. Enumerable.Range(0, Each).Select(_ => new BatchQuality(1 + (0.1 * Normal()), 20, null, null))], Reduction.Mean);
        double rate = Enumerable.Range(0, Runs).Count(_ => PlanVerification.Better(Noise(), [.. Enumerable.Range(0, Plans).Select(_ => Noise())]) is not null) / (double)Runs;
        const double Most = 0.025; // lower alone counts: one side of 95 %
        Assert.InRange(rate, 0.005, Most + (3 * Math.Sqrt(Most * (1 - Most) / Runs)));
    }

    /// <summary>Losses above the plan's by a shift, and by some more or less from batch to batch.</summary>
    private static NetworkQuality Quality(double shift, double scatter, long? right) =>
        NetworkQuality.Of([.. Batches.Select((loss, i) => new BatchQuality(loss + shift + (scatter * (i % 2 == 0 ? 1 : -1)), 20, right / Batches.Length, right is null ? null : 20))], Reduction.Mean);
}
