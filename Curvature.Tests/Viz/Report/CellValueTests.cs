using Curvature.Estimators;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

public class CellValueTests
{
    [Theory]
    [InlineData("1,797", 1797)]
    [InlineData("−0.9", -0.9)]
    [InlineData("27.5\u00A0±\u00A01.2", 27.5)]
    [InlineData("(1.2\u00A0±\u00A00.1)\u00A0×\u00A010⁵", 1.2e5)]
    [InlineData("(−1.2\u00A0±\u00A00.1)\u00A0×\u00A010⁻¹²", -1.2e-12)]
    [InlineData("9.000000\u00A0±\u00A01\u00A0×\u00A010⁻⁵", 9)]
    [InlineData("78.2\u00A0%", 78.2)]
    [InlineData("24.84 to 30.16", 24.84)]
    [InlineData("8 (fixed)", 8)]
    [InlineData("1.5 kB", 1500)]
    [InlineData("2 MB", 2e6)]
    [InlineData("120 bytes", 120)]
    [InlineData("72.34\u00A0G", 7.234e10)]
    [InlineData("−∞", double.NegativeInfinity)]
    public void Reads_what_a_cell_shows(string text, double expected) => Assert.Equal(expected, CellValue.Of(text)!.Value, 1e-12 * Math.Abs(expected == double.NegativeInfinity ? 0 : expected));

    [Theory]
    [InlineData("")]
    [InlineData("not a number")]
    [InlineData("unknown")]
    [InlineData("all tied")]
    public void Words_have_no_value(string text) => Assert.Null(CellValue.Of(text));

    [Theory]
    [InlineData(0.0)]
    [InlineData(-3.14159e-9)]
    [InlineData(0.00012345)]
    [InlineData(-123.456)]
    [InlineData(9.99996e5)]
    [InlineData(1.5e300)]
    public void Numbers_come_back_as_they_were_written(double value)
    {
        using var culture = new DecimalComma();
        Assert.Equal(value, CellValue.Of(NumberText.Of(value, 7))!.Value, 1e-6 * Math.Abs(value));
        foreach (double error in (double[])[0.03, 0.5, 2])
        {
            Estimate estimate = new(value, error * Math.Abs(value), 4, 4);
            Assert.Equal(value, CellValue.Of(NumberText.Of(estimate))!.Value, Math.Abs(0.5 * error * value));
        }
    }
}
