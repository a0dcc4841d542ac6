using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>Numbers and words as a person reads them.</summary>
public class OutputTextTests
{
    [Theory]
    [InlineData(0.25, 0.013, "25.0 % ± 1.3 %")]
    [InlineData(0.012, 0.0008, "1.200 % ± 0.080 %")]
    [InlineData(0.00042, 0.0006, "0.042 % ± 0.060 %")]
    [InlineData(0.9, 0.0, "90.0 % ± 0.0 %")]
    [InlineData(0.0001, 0.00002, "< 0.1 %")]
    [InlineData(0.0, 0.0, "< 0.1 %")]
    [InlineData(0.9, double.NaN, "90.0 % ± unknown")]
    public void A_share_has_the_digits_that_its_error_allows(double share, double error, string expected) =>
        Assert.Equal(expected, Format.Percent(new Estimate(share, error, 4, 4)));

    [Theory]
    [InlineData(985, "985")]
    [InlineData(9856, "9.856 K")]
    [InlineData(123456, "123.5 K")]
    [InlineData(7.2341e10, "72.34 G")]
    [InlineData(9.9996e11, "1000 G")]
    [InlineData(2e15, "2000 T")]
    public void Bit_operations_read_as_limits_on_them_are_written(double bops, string expected)
    {
        using var culture = new DecimalComma();
        Assert.Equal(expected, CostText.Of(PlanCost.Bops, bops));
    }

    [Fact]
    public void Progress_is_of_what_was_planned_and_says_where_it_takes_more()
    {
        List<ProductProgress> told = [];
        PlannedProgress progress = new(new Told(told), 195);
        progress.Report(new("eigenvalues", 150, 1000));
        progress.Report(new("eigenvalues", 240, 1000));
        Assert.Equal([new("eigenvalues", 150, 195), new("eigenvalues, more than planned", 240, 1000)], told);
    }

    [Fact]
    public void Help_of_plan_names_every_kind_of_limit()
    {
        string help = CommandRun.Of("plan", "--help").Output;
        Assert.All((string[])["size=7.5MB", "bops=72G", "latency=2.5ms", "avg-bits=4", "compression=1.5"], form => Assert.Contains(form, help, StringComparison.Ordinal));
    }

    private sealed class Told(List<ProductProgress> told) : IProgress<ProductProgress>
    {
        public void Report(ProductProgress value) => told.Add(value);
    }
}
