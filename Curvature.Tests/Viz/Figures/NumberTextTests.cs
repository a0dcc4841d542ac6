using Curvature.Estimators;
using Curvature.Viz.Figures;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class NumberTextTests
{
    [Theory]
    [InlineData(0, "0")]
    [InlineData(1.23456, "1.235")]
    [InlineData(-14.9, "−14.90")]
    [InlineData(0.001234, "0.001234")]
    [InlineData(0.00001234, "1.234 × 10⁻⁵")]
    [InlineData(999.96, "1000")]
    [InlineData(123456, "123500")]
    [InlineData(1234567, "1.235 × 10⁶")]
    [InlineData(9.9996e5, "1.000 × 10⁶")]
    [InlineData(-5e-324, "−4.941 × 10⁻³²⁴")]
    [InlineData(1.7976931348623157e308, "1.798 × 10³⁰⁸")]
    [InlineData(double.NaN, "not a number")]
    [InlineData(double.NegativeInfinity, "−∞")]
    public void Rounds_to_significant_digits(double value, string expected) => Assert.Equal(expected, Plain(NumberText.Of(value)));

    [Theory]
    [InlineData(123.456, 5.6, "123.5 ± 5.6")]
    [InlineData(123.456, 0.056, "123.456 ± 0.056")]
    [InlineData(123456, 5678, "123500 ± 5700")]
    [InlineData(-0.5, 12, "−1 ± 12")]
    [InlineData(0, 0.25, "0.00 ± 0.25")]
    [InlineData(1.2e-7, 3.4e-9, "(1.200 ± 0.034) × 10⁻⁷")]
    [InlineData(3.21e9, 2e7, "(3.210 ± 0.020) × 10⁹")]
    [InlineData(2.5, 0, "2.500")]
    [InlineData(2.5, double.NaN, "2.500 ± unknown")]
    [InlineData(2.5, 1e-15, "2.500000 ± 1 × 10⁻¹⁵")]
    [InlineData(double.NaN, 1, "not a number")]
    public void Rounds_an_estimate_to_its_error(double value, double error, string expected) =>
        Assert.Equal(expected, Plain(NumberText.Of(new Estimate(value, error, 10, 10))));

    [Fact]
    public void Reads_the_same_under_a_decimal_comma()
    {
        using var culture = new DecimalComma();
        Assert.Equal("−1.500 × 10⁻⁷", Plain(NumberText.Of(-1.5e-7)));
        Assert.Equal("−1.50 ± 0.25", Plain(NumberText.Of(new Estimate(-1.5, 0.25, 4, 4))));
        Assert.Equal("12.3 %", Plain(NumberText.Percent(0.1234)));
        Assert.Equal("12.3 ± 1.5 %", Plain(NumberText.Percent(new Estimate(0.1234, 0.015, 4, 4))));
        Assert.Equal("12,345", NumberText.Of(12345L));
        Assert.Equal(["1 run", "1,200 runs"], (string[])[NumberText.Of(1, "run"), NumberText.Of(1200, "run")]);
    }

    private static string Plain(string text) => text.Replace('\u00A0', ' ');
}
