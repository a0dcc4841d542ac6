using Curvature.Data;
using Curvature.Quant.Planning;
using Xunit;

namespace Curvature.Tests.Quant.Planning;

public class LayerTableTests
{
    private const string Good = """{"name": "a", "parameters": 10, "average_trace": 0.5, "error": {"4": 2, "8": 0.1}}""";

    [Fact]
    public void Reads_every_member()
    {
        LayerTable table = LayerTable.Parse("""
            {"bits": [4, 8], "layers": [
              {"name": "a", "parameters": 36864, "macs": 115605504, "group": "g", "activation_bits": 8, "average_trace": 0.068, "standard_error": 0.01,
               "error": {"4": 6.743, "8": 0.0235}, "latency_ms": {"4": 0.21, "8": 0.36, "32": 2}},
              {"name": "b", "parameters": 1e3, "macs": null, "group": null, "fixed": 16, "sensitivity": {"4": -1, "8": 0}, "standard_error": {"4": 0.5}}]}
            """);
        Assert.Equal([4, 8], table.Bits);
        TableLayer a = table.Layers[0], b = table.Layers[1];
        Assert.Equal(("a", 36864, 115605504, "g", 8, null), (a.Name, a.Parameters, a.Macs!.Value, a.Group, a.ActivationBits!.Value, a.Fixed));
        Assert.Equal((0.068 * 6.743, 0.01 * 6.743, 0.36, 2, null), (a.SensitivityAt(4)!.Value, a.StandardErrorAt(4), a.LatencyAt(8)!.Value, a.LatencyAt(32)!.Value, a.SensitivityAt(2)));
        Assert.Equal((1000, null, null, 16), (b.Parameters, b.Macs, b.Group, b.Fixed!.Value));
        Assert.Equal((-1.0, 0.5, 0.0), (b.SensitivityAt(4)!.Value, b.StandardErrorAt(4), b.StandardErrorAt(8)));
    }

    [Theory]
    [InlineData("[]", "an object as the table, got a list")]
    [InlineData("{\"bits\": [4, 8]", "JSON")]
    [InlineData("{\"bits\": [4], \"layers\": [], \"layer\": 1}", "only the members bits, layers, got \"layer\"")]
    [InlineData("{\"layers\": []}", "\"bits\" in the table, got none")]
    [InlineData("{\"bits\": [4], \"layers\": {}}", "a list as \"layers\", got an object")]
    [InlineData("{\"bits\": [4], \"layers\": []}", "no layers")]
    [InlineData("{\"bits\": [], \"layers\": [{\"name\": \"a\", \"parameters\": 1}]}", "different widths from 1 to 32")]
    [InlineData("{\"bits\": [4, 4], \"layers\": [{\"name\": \"a\", \"parameters\": 1}]}", "different widths from 1 to 32")]
    [InlineData("{\"bits\": [4.5], \"layers\": []}", "a whole number from 1 to 32 in \"bits\", got 4.5")]
    [InlineData("{\"bits\": [0], \"layers\": []}", "a whole number from 1 to 32 in \"bits\", got 0")]
    [InlineData("{\"bits\": [8], \"bits\": [8], \"layers\": []}", "\"bits\" twice")]
    [InlineData("{\"bits\": [8], \"layers\": [{\"parameters\": 1}]}", "a \"name\" in layer 0, got none")]
    [InlineData("{\"bits\": [8], \"layers\": [{\"name\": \"\", \"parameters\": 1}]}", "text as \"name\" of layer 0")]
    [InlineData("{\"bits\": [8], \"layers\": [{\"name\": \"a\"}]}", "\"parameters\" in layer 'a', got none")]
    public void Refuses_what_is_no_table(string json, string expected) => Assert.Contains(expected, Message(json), StringComparison.Ordinal);

    [Theory]
    [InlineData("\"parameters\": 10", "\"parameters\": -10", "whole number from 0 to 2^45 as \"parameters\" of layer 'a', got -10")]
    [InlineData("\"parameters\": 10", "\"parameters\": 0", "layer 'a': \"parameters\": expected at least 1, got 0")]
    [InlineData("\"parameters\": 10", "\"parameters\": 10.5", "got 10.5")]
    [InlineData("\"parameters\": 10", "\"parameters\": 1e300", "got 1e300")]
    [InlineData("\"parameters\": 10", "\"parameters\": \"10\"", "got \"10\"")]
    [InlineData("\"parameters\": 10", "\"parameters\": 10, \"macs\": -1", "whole number from 0 to 2^45 as \"macs\"")]
    [InlineData("\"parameters\": 10", "\"parameters\": 10, \"trace\": 1", "got \"trace\"")]
    [InlineData("\"parameters\": 10", "\"parameters\": 10, \"parameters\": 11", "\"parameters\" twice")]
    [InlineData("\"parameters\": 10", "\"parameters\": 10, \"fixed\": 33", "\"fixed\" of layer 'a', got 33")]
    [InlineData("0.5", "NaN", "JSON knows no NaN")]
    [InlineData("0.5", "1e999", "a finite number as \"average_trace\" of layer 'a', got 1e999")]
    [InlineData("0.5", "[0.5]", "a finite number as \"average_trace\" of layer 'a', got a list")]
    [InlineData("\"8\": 0.1", "\"8\": -0.1", "\"error\" at 8 bits: expected a finite number of at least 0, got -0.1")]
    [InlineData("\"8\": 0.1", "\"8\": null", "\"error\" of layer 'a' at 8 bits, got null")]
    [InlineData("\"8\": 0.1", "\"eight\": 0.1", "\"error\" of layer 'a' by bits from \"1\" to \"32\", got \"eight\"")]
    [InlineData("\"8\": 0.1", "\"8\": 0.1, \"08\": 0.2", "each width once")]
    [InlineData(", \"8\": 0.1", "", "layer 'a' has no sensitivity at 8 bits")]
    [InlineData("\"average_trace\": 0.5, ", "", "layer 'a' has no sensitivity at 4 bits")]
    [InlineData("\"error\": {\"4\": 2, \"8\": 0.1}", "\"error\": 3", "\"error\" of layer 'a' by bits")]
    [InlineData("0.5,", "0.5, \"standard_error\": -1,", "\"standard_error\" of at least 0")]
    [InlineData("0.5,", "0.5, \"standard_error\": {\"4\": 1},", "belongs to \"sensitivity\"")]
    [InlineData("0.5,", "0.5, \"sensitivity\": {\"4\": 1, \"8\": 0}, \"standard_error\": 1,", "give errors by bits")]
    [InlineData("0.5,", "0.5, \"sensitivity\": {\"4\": 1},", "layer 'a' has no sensitivity at 8 bits")]
    [InlineData("0.5,", "0.5, \"latency_ms\": {\"4\": -1},", "\"latency_ms\" at 4 bits")]
    [InlineData("\"a\"", "\"b\"", "2 layers are called 'b'")]
    public void Says_which_layer_is_wrong(string part, string wrong, string expected)
    {
        string json = $"{{\"bits\": [4, 8], \"layers\": [{Good}, {Good.Replace("\"a\"", "\"b\"", StringComparison.Ordinal)}]}}";
        int at = json.IndexOf(part, StringComparison.Ordinal);
        Assert.Contains(expected, Message(json[..at] + wrong + json[(at + part.Length)..]), StringComparison.Ordinal);
    }

    [Fact]
    public void Layers_of_a_group_are_not_fixed_at_different_bits()
    {
        LayerTable table = new()
        {
            Bits = [4, 8],
            Layers = [Tables.Layer("a", 1, (4, 1), (8, 0)) with { Group = "g", Fixed = 4 }, Tables.Layer("b", 1, (4, 1), (8, 0)) with { Group = "g" }],
        };
        Assert.Contains("'a' is fixed at 4 and 'b' at 8", Assert.Throws<CurvatureException>(() => table.Fix([new("b", 8)])).Message, StringComparison.Ordinal);
        Assert.Contains("no layer 'c' to fix; its layers are 'a', 'b'", Assert.Throws<CurvatureException>(() => table.Fix([new("c", 8)])).Message, StringComparison.Ordinal);
        Assert.Equal([4, 4], new PlanningProblem(table).Uniform(8).Bits);
    }

    [Fact]
    public void Is_written_so_that_it_reads_back()
    {
        LayerTable table = Tables.Random(new Random(0), 5, [2, 4], groups: 2) with { Name = "table" };
        table = table with
        {
            Layers = [.. table.Layers.Select((layer, i) => i == 0 ? layer with { Fixed = 4, ActivationBits = 8, TraceStandardError = 1e-300 } : layer), Tables.Layer("quote \" and é", 3, (2, -1), (4, 1.0 / 3)) with { SensitivityStandardError = new Dictionary<int, double> { [2] = 0.1 } }],
        };
        LayerTable back = LayerTable.Parse(table.ToJson());
        Assert.Equal(table.ToJson(), back.ToJson());
        Assert.Equal(table.Layers[5].SensitivityAt(4), back.Layers[5].SensitivityAt(4));
        Assert.Equal(table.Layers[^1].Name, back.Layers[^1].Name);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Assert.StartsWith("/no/such/table.json: expected a file", Assert.Throws<DataFormatException>(() => LayerTable.Read("/no/such/table.json")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_plan_from_elsewhere_is_checked_against_the_table()
    {
        var problem = new PlanningProblem(new LayerTable
        {
            Bits = [4, 8],
            Layers = [Tables.Layer("a", 1, (4, 1), (8, 0)) with { Group = "g" }, Tables.Layer("b", 1, (4, 1), (8, 0)) with { Group = "g" }],
        });
        Assert.Contains("a layer 'c', which table has not", Wrong(("a", 4), ("b", 4), ("c", 4)), StringComparison.Ordinal);
        Assert.Contains("does not say how many bits layer 'b' gets", Wrong(("a", 4)), StringComparison.Ordinal);
        Assert.Contains("'a' 4 bits, 'b' 8 bits; table allows 4, 8, alike for the group", Wrong(("a", 4), ("b", 8)), StringComparison.Ordinal);
        Assert.Contains("allows 4, 8", Wrong(("a", 2), ("b", 2)), StringComparison.Ordinal);
        Assert.Contains("3 bits are not among its widths, 4, 8", Assert.Throws<CurvatureException>(() => problem.Uniform(3)).Message, StringComparison.Ordinal);

        string Wrong(params (string Layer, int Bits)[] plan) =>
            Assert.Throws<CurvatureException>(() => problem.Evaluate(plan.ToDictionary(p => p.Layer, p => p.Bits))).Message;
    }

    private static string Message(string json) => Assert.ThrowsAny<CurvatureException>(() => LayerTable.Parse(json)).Message;
}
