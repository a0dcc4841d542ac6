using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Quant.Planning;

public class LimitTests
{
    private static readonly LayerTable Table = new()
    {
        Bits = [4, 8],
        Layers =
        [
            Layer("a", 1_000_001, 7_000, 1.5, 2.5, 10) with { ActivationBits = 8 },
            Layer("b", 3_000_000, 9_000, 0.25, 0.5, 2),
        ],
    };

    [Theory]
    [InlineData("size=7.5MB", PlanCost.Size, 60_000_000)]
    [InlineData("size=7.5", PlanCost.Size, 60)]
    [InlineData("size=2.5MiB", PlanCost.Size, 20_971_520)]
    [InlineData("size=1.5kb", PlanCost.Size, 12_000)]
    [InlineData("size=3KiB", PlanCost.Size, 24_576)]
    [InlineData("size=1e-3GB", PlanCost.Size, 8_000_000)]
    [InlineData("size=10%", PlanCost.Size, 12_800_003)] // 3.2 bits of 4,000,001, to a whole number
    [InlineData("size=12.5%", PlanCost.Size, 16_000_004)]
    [InlineData("size=interp:0.5", PlanCost.Size, 24_000_006)]
    [InlineData("size=interp:0", PlanCost.Size, 16_000_004)]
    [InlineData("size=interp:1", PlanCost.Size, 32_000_008)]
    [InlineData("avg-bits=4", PlanCost.Size, 16_000_004)]
    [InlineData("avg-bits=4.25", PlanCost.Size, 17_000_004)]
    [InlineData("bops=1.2M", PlanCost.Bops, 1_200_000)]
    [InlineData("bops=3G", PlanCost.Bops, 3_000_000_000)]
    [InlineData("bops=25%", PlanCost.Bops, 4_096_000)] // of 1024 x 16,000
    [InlineData("bops=interp:0.5", PlanCost.Bops, ((7_000 * 32) + (9_000 * 16) + (7_000 * 64) + (9_000 * 64)) / 2)]
    [InlineData("latency=2.5ms", PlanCost.Latency, 2.5)]
    [InlineData("latency=2500us", PlanCost.Latency, 2.5)]
    [InlineData("latency=0.0025s", PlanCost.Latency, 2.5)]
    [InlineData("latency=50%", PlanCost.Latency, 6)]
    [InlineData("latency=interp:0.5", PlanCost.Latency, 2.375)]
    [InlineData("compression=1.5", PlanCost.MacBits, 85_333)] // 8 x 16,000 / 1.5
    public void Is_read_to_the_last_bit(string text, PlanCost cost, double bound)
    {
        var limit = Limit.Parse(text);
        Assert.Equal((cost, text), (limit.Cost, limit.Text));
        Assert.Equal(bound, limit.MostOf(new PlanningProblem(Table)));
    }

    [Theory]
    [InlineData("size")]
    [InlineData("size=")]
    [InlineData("size=-1MB")]
    [InlineData("size=7.5Q")]
    [InlineData("size=1,5MB")]
    [InlineData("size=NaN")]
    [InlineData("size=interp:50%")]
    [InlineData("depth=3")]
    [InlineData("avg-bits=4MB")]
    [InlineData("avg-bits=interp:0.5")]
    [InlineData("avg-bits=50%")]
    [InlineData("bops=3MB")]
    [InlineData("latency=3G")]
    public void Anything_else_is_told_the_forms(string text)
    {
        string message = Assert.Throws<CurvatureException>(() => Limit.Parse(text)).Message;
        Assert.StartsWith($"'{text}' is no limit. Expected size=7.5MB, size=40%", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Needs_what_it_limits()
    {
        LayerTable bare = Table with { Layers = [Table.Layers[0] with { Macs = null }, Table.Layers[1] with { LatencyMs = new Dictionary<int, double> { [4] = 1 } }] };
        Assert.Contains("\"macs\" of every layer; table lacks some for 'a'", Message(bare, "bops=1G"), StringComparison.Ordinal);
        Assert.Contains("\"latency_ms\" at all bits of every layer; table lacks some for 'b'", Message(bare, "latency=1ms"), StringComparison.Ordinal);
        LayerTable unmeasured = Table with { Layers = [Table.Layers[0] with { LatencyMs = new Dictionary<int, double> { [4] = 1, [8] = 2 } }] };
        Assert.Contains("\"latency_ms\" at \"32\" of every layer; table has none for 'a'", Message(unmeasured, "latency=50%"), StringComparison.Ordinal);
        Assert.Contains("from 0 (fewest bits) to 1", Message(Table, "size=interp:1.5"), StringComparison.Ordinal);
        Assert.Contains("too large", Message(Table, "size=1e28%"), StringComparison.Ordinal);
        Assert.Contains("compression ratio from 0.01 to 1000", Message(Table, "compression=0"), StringComparison.Ordinal);
    }

    private static string Message(LayerTable table, string limit) =>
        Assert.Throws<CurvatureException>(() => Limit.Parse(limit).MostOf(new PlanningProblem(table))).Message;

    private static TableLayer Layer(string name, long parameters, long macs, double low, double high, double full) =>
        Tables.Layer(name, parameters, (4, 1), (8, 0)) with { Macs = macs, LatencyMs = new Dictionary<int, double> { [4] = low, [8] = high, [32] = full } };
}
