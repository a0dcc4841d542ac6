using Curvature.Estimators;
using Xunit;

namespace Curvature.Tests.Core.Estimators;

/// <summary>Means of samples.</summary>
public sealed class EstimateTests
{
    [Theory]
    [InlineData(new[] { 0.8, 0.8, 0.8 }, 0.8, 0)] // their sum, divided by 3, is not 0.8
    [InlineData(new[] { 1.0, 2.0, 6.0 }, 3, 1.527525231651947)] // sqrt((4 + 1 + 9) / 2 / 3)
    [InlineData(new[] { 5.0 }, 5, double.NaN)]
    public void A_mean_has_the_standard_error_of_its_samples(double[] samples, double mean, double error)
    {
        var estimate = Estimate.FromSamples(samples, products: 7);
        Assert.Equal((mean, 7, samples.Length), (estimate.Value, estimate.Products, estimate.Samples));
        Assert.Equal(error, estimate.StandardError, 1e-15);
    }

    [Fact]
    public void Of_no_samples_there_is_none() => Assert.Throws<ArgumentOutOfRangeException>(() => Estimate.FromSamples([], products: 0));
}
