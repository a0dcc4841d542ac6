using System.Text.Json;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary><c>curvature plan</c>: what it prints, what it writes, and what it refuses.</summary>
public class PlanTests
{
    private const string Small = """
        {"bits": [4, 8], "layers": [
          {"name": "first", "parameters": 100, "fixed": 8},
          {"name": "a", "parameters": 1000, "average_trace": 1.1, "standard_error": 0.1, "error": {"4": 1, "8": 0}},
          {"name": "b", "parameters": 1000, "average_trace": 1, "standard_error": 0.1, "error": {"4": 1, "8": 0}},
          {"name": "c", "parameters": 1000, "sensitivity": {"4": 0.2, "8": -0.01}}]}
        """;

    private static readonly string Network = Repository.File("data/hawq-v3-resnet18.json");

    [Fact]
    public void Writes_the_plan_its_costs_and_the_frontier()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of("plan", "--table", Network, "--limit", "size=interp:0.5", "--limit", "latency=4.2", "--out", folder.File("out/plan.json"), "--json");
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Equal(run.Output, File.ReadAllText(folder.File("out/plan.json")));
        JsonElement json = run.Json();
        Assert.Equal(
            ["environment", "assignment", "objective", "size_bytes", "average_bits", "bops", "latency_ms", "others", "uncertainty", "frontier_cost", "frontier_points", "frontier", "findings"],
            json.EnumerateObject().Select(member => member.Name));
        Assert.Equal(19, json.GetProperty("assignment").EnumerateObject().Count());
        Assert.Equal(json.GetProperty("assignment").GetProperty("stage2.unit1.conv1").GetInt32(), json.GetProperty("assignment").GetProperty("stage2.unit1.identity").GetInt32());
        Assert.InRange(json.GetProperty("latency_ms").GetDouble(), 3, 4.2);
        Assert.InRange(json.GetProperty("size_bytes").GetDouble(), 5_000_000, 8_368_128);

        JsonElement[] frontier = [.. json.GetProperty("frontier").EnumerateArray()];
        Assert.InRange(frontier.Length, 20, 1000);
        Assert.Equal(frontier.Length, json.GetProperty("frontier_points").GetInt32());
        Assert.Equal(frontier.Select(point => point.GetProperty("size_bytes").GetDouble()).Order(), frontier.Select(point => point.GetProperty("size_bytes").GetDouble()));
        Assert.Equal(frontier.Select(point => point.GetProperty("objective").GetDouble()).OrderDescending(), frontier.Select(point => point.GetProperty("objective").GetDouble()));
        Assert.Equal(19, frontier[0].GetProperty("bits").GetString()!.Split(' ').Length);
        Assert.True(frontier[0].GetProperty("hull").GetBoolean() && frontier[^1].GetProperty("hull").GetBoolean());

        JsonElement[] others = [.. json.GetProperty("others").EnumerateArray()];
        Assert.Equal(["greedy", "monotone", "4 bits", "8 bits"], others.Select(other => other.GetProperty("plan").GetString()));
        Assert.All(others.Where(other => other.GetProperty("within_limits").GetBoolean()), other => Assert.True(other.GetProperty("objective").GetDouble() >= json.GetProperty("objective").GetDouble()));
    }

    [Fact]
    public void Prints_layers_and_compares_plans()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of("plan", "--table", folder.Write("layers.json", Small), "--limit", "size=2100B", "--out", folder.File("plans"), "--draws", "400", "--seed", "3");
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Contains("layers.json: 4 layers, 3,100 parameters; exact plan within size=2100B", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"first +100 +8 \(fixed\) +- +0\.0 %", run.Output);
        Assert.Matches(@"\na +1,000 +8 +0 +[12]\d\.\d %", run.Output);
        Assert.Matches(@"\n8 bits +-0\.01 +3,100 +8 +no", run.Output);
        Assert.Contains("warning choices-flip: 2 layers of 4 would get other bits", run.Output, StringComparison.Ordinal);
        Assert.Contains("warning negative-sensitivity: 1 layer with a negative sensitivity, the first c", run.Output, StringComparison.Ordinal);
        Assert.Contains("info no-sensitivity: Fixed layers without a sensitivity count as 0 in the objective: first.", run.Output, StringComparison.Ordinal);
        Assert.Contains("Pareto frontier under size: 4 plans", run.Output, StringComparison.Ordinal);
        Assert.Equal(["bits.svg", "pareto.svg", "plan.html", "plan.json", "sensitivities.svg"], Directory.GetFiles(folder.File("plans")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Options_fix_layers_restrict_widths_and_choose_the_search()
    {
        using var folder = new TemporaryFolder();
        string table = folder.Write("layers.json", Small);
        string Bits(params string[] more) => string.Concat(
            CommandRun.Of(["plan", "--table", table, "--limit", "avg-bits=6", "--json", .. more]).Json().GetProperty("assignment").EnumerateObject().Select(layer => layer.Value.GetInt32()));
        Assert.Equal("8844", Bits());
        Assert.Equal("8448", Bits("--fix", "c=8", "--fix", "a=4"));
        Assert.Equal("8444", Bits("--bits", "4"));
        Assert.Equal("8844", Bits("--search", "greedy"));
    }

    [Theory]
    [InlineData("--limit size=100B", "size=100B is 100 bytes, and no plan of layers.json is that cheap: plans go from 1,600 bytes to 3,100 bytes")]
    [InlineData("--limit bops=1G", "bops=1G: it needs \"macs\" of every layer; layers.json lacks some for 'first', 'a', 'b', 'c'")]
    [InlineData("--limit avg-bits=6 --fix d=4", "it has no layer 'd' to fix; its layers are 'first', 'a', 'b', 'c'")]
    [InlineData("--limit avg-bits=6 --bits 2,4", "layer 'a' has no sensitivity at 2 bits")]
    [InlineData("--limit avg-bits=6 --search monotone", "'c' has none. Add \"average_trace\"")]
    [InlineData("--limit avg-bits=6 --out layers.json", "Cannot write 'layers.json': it is read here. Name another file")]
    public void What_cannot_be_is_one_line_and_exit_code_1(string options, string expected)
    {
        using var folder = new TemporaryFolder();
        string table = folder.Write("layers.json", Small);
        CommandRun run = CommandRun.Of(["plan", "--table", table, .. options.Replace("--out layers.json", $"--out {table}", StringComparison.Ordinal).Split(' ')]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Contains(expected, run.Message.Replace(table, "layers.json", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(Small, File.ReadAllText(table));
    }

    [Fact]
    public void A_plan_that_is_cancelled_leaves_an_earlier_one_as_it_was()
    {
        using var folder = new TemporaryFolder();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        string file = folder.Write("plan.json", "earlier");
        CommandRun run = CommandRun.Of(cancelled.Token, "plan", "--table", Network, "--limit", "size=50%", "--out", file);
        Assert.Equal(CurvatureCommand.Cancelled, run.ExitCode);
        Assert.Equal("earlier", File.ReadAllText(file));
    }
}
