using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Xunit;

namespace Curvature.Tests.Quant.Sensitivity;

public class KendallTauTests
{
    [Theory]
    [InlineData("1 2 3 4", "10 20 30 40", 1)]
    [InlineData("1 2 3 4", "4 3 2 1", -1)]
    [InlineData("1 2 3 4", "1 3 2 4", 4.0 / 6)]
    [InlineData("12 2 1 12 2", "1 4 7 1 0", -0.4714045207910316)] // scipy.stats.kendalltau's own example
    public void Is_tau_b(string x, string y, double expected) => Assert.Equal(expected, KendallTau.Of(Numbers(x), Numbers(y)).Value, 1e-15);

    [Fact]
    public void Compares_tables_by_the_layers_that_both_have()
    {
        LayerTable a = Table(("x", 1), ("y", 2), ("z", 3)), b = Table(("z", 5), ("y", 6), ("w", 0));
        KendallTau tau = KendallTau.Between(a, b, 4);
        Assert.Equal((-1, 2), (tau.Value, tau.Count));
        Assert.Equal(Math.Sqrt(2 * 25.0 / 810), (tau with { Count = 10 }).Chance, 1e-15);
        Assert.Equal(double.NaN, KendallTau.Of([1, 1], [1, 2]).Value);
        Assert.Throws<CurvatureException>(() => KendallTau.Between(a, b, 8));
        Assert.Throws<CurvatureException>(() => KendallTau.Of([1], [1, 2]));
        Assert.Throws<CurvatureException>(() => KendallTau.Of([1, double.NaN], [1, 2]));
    }

    private static double[] Numbers(string text) => [.. text.Split(' ').Select(double.Parse)];

    private static LayerTable Table(params (string Name, double Sensitivity)[] layers) => new()
    {
        Bits = [4],
        Layers = [.. layers.Select(layer => new TableLayer { Name = layer.Name, Parameters = 1, Sensitivity = new Dictionary<int, double> { [4] = layer.Sensitivity } })],
    };
}
