using System.Text.Json;
using Curvature.Cli;
using Curvature.Cli.Work;
using Curvature.Quant.Planning;
using Curvature.Tests.Core.Checkpoints;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary><c>curvature plan MODEL</c>: from a checkpoint to a plan and what it does to the network.</summary>
public class NetworkPlanTests
{
    private static readonly string[] Few = ["--samples", "128", "--threads", "1"];

    private static readonly string[] Script = [TorchScriptFileTests.Fixture("conv-scripted-f32.pt"), "--data", TorchScriptFileTests.Fixture("conv.npz"), "--loss", "cross-entropy", "--threads", "1"];

    [Fact]
    public void Measures_plans_measures_again_and_writes_page_figures_and_numbers()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["plan", .. CommandRun.Digits, .. Few, "--bits", "2,4,8", "--limit", "avg-bits=3", "--probes", "16", "--test", Repository.File("data/digits.csv.gz"), "--unverified", "--out", folder.File("plan"), "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Equal(["bits.svg", "pareto.svg", "plan-quality.svg", "plan.html", "plan.json", "sensitivities.svg"], Directory.GetFiles(folder.File("plan")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(run.Output, File.ReadAllText(folder.File("plan/plan.json")));
        JsonElement json = run.Json();
        Assert.Equal(
            ["environment", "assignment", "objective", "size_bytes", "average_bits", "bops", "latency_ms", "others", "uncertainty", "frontier_cost", "frontier_points", "frontier",
                "command", "loss_function", "sensitivity", "activation_bits", "activations", "predicted_increase", "measured", "rank_correlation", "fine_tuning_order", "layers", "findings"],
            json.EnumerateObject().Select(member => member.Name));
        Assert.Equal(["fc1", "fc2"], json.GetProperty("assignment").EnumerateObject().Select(layer => layer.Name));
        Assert.True(json.GetProperty("average_bits").GetDouble() <= 3);
        Assert.Equal(0.5 * json.GetProperty("objective").GetDouble(), json.GetProperty("predicted_increase").GetDouble(), 1e-12);
        Assert.Equal([2048, 320], json.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("macs").GetInt32()));
        Assert.Equal(1, json.GetProperty("uncertainty").GetProperty("layers")[0].GetProperty("shares").EnumerateObject().Sum(share => share.Value.GetDouble()), 1e-9);

        Dictionary<string, JsonElement> measured = json.GetProperty("measured").EnumerateArray().ToDictionary(plan => plan.GetProperty("plan").GetString()!);
        Assert.Equal(["float", "this plan", "2 bits", "4 bits", "8 bits"], measured.Keys);
        double Accuracy(string plan) => measured[plan].GetProperty("test_accuracy").GetDouble();
        Assert.True(Accuracy("2 bits") < Accuracy("4 bits") && Accuracy("this plan") < Accuracy("4 bits"));
        Assert.InRange(Accuracy("8 bits") - Accuracy("float"), -0.003, 0.003);
        Assert.Equal([2, 4, 8], json.GetProperty("rank_correlation").EnumerateArray().Select(rank => rank.GetProperty("bits").GetInt32()));

        string page = File.ReadAllText(folder.File("plan/plan.html"));
        Assert.Contains("Bit-width plan", page, StringComparison.Ordinal);
        Assert.Contains("are in plan.json", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("<(script|link|img)[^>]*(src|href)=", page); // one file
    }

    [Fact]
    public void Where_another_plan_within_the_limits_is_measurably_better_that_is_the_plan_and_the_user_is_told()
    {
        string[] options = ["plan", .. CommandRun.Digits, .. Few, "--bits", "2,4,8", "--limit", "avg-bits=3", "--probes", "16", "--json"]; // the errors of both layers at 2 bits partly cancel, which no sum of sensitivities sees
        JsonElement verified = CommandRun.Of(options).Json(), unverified = CommandRun.Of([.. options, "--unverified"]).Json();
        double Loss(JsonElement json, int plan) => json.GetProperty("measured")[plan].GetProperty("loss").GetDouble();
        string Plans(JsonElement json) => string.Join(", ", json.GetProperty("measured").EnumerateArray().Select(plan => plan.GetProperty("plan").GetString()));
        Assert.Equal(("float, this plan, 2 bits, 4 bits, 8 bits", "float, this plan, exact, 4 bits, 8 bits"), (Plans(unverified), Plans(verified)));
        Assert.Equal((Loss(unverified, 1), Loss(unverified, 2)), (Loss(verified, 2), Loss(verified, 1)));
        Assert.True(Loss(verified, 1) < Loss(verified, 2));
        Assert.Equal([2, 2], verified.GetProperty("assignment").EnumerateObject().Select(layer => layer.Value.GetInt32()));
        Assert.Equal("2 bits", verified.GetProperty("environment").GetProperty("search").GetString());
        Assert.Equal("exact", verified.GetProperty("others")[0].GetProperty("plan").GetString());
        Assert.Equal(JsonValueKind.Null, verified.GetProperty("uncertainty").ValueKind);
        Assert.Equal("plan-replaced", verified.GetProperty("findings")[0].GetProperty("id").GetString());
        Assert.Contains("uniform-is-better", unverified.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString()));
    }

    [Theory]
    [InlineData("exact")]
    [InlineData("kfac")]
    [InlineData("top-eigenvalue")]
    [InlineData("measured")]
    public void Prints_a_plan_by_any_sensitivity(string sensitivity)
    {
        CommandRun run = CommandRun.Of(["plan", .. CommandRun.Digits, .. Few, "--limit", "size=12%", "--sensitivity", sensitivity, "--fix", "fc2=8"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Contains("digits-mlp.safetensors: 2 layers, 2,368 parameters; exact plan within size=12%", run.Output, StringComparison.Ordinal);
        Assert.Contains($"sensitivity '{sensitivity}' of cross-entropy on 128 samples of digits.csv.gz", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"fc1 +2,048 +2 ", run.Output);
        Assert.Matches(@"fc2 +320 +8 \(fixed\)", run.Output);
        Assert.Matches(@"float +0\.\d+ +9\d\.\d %", run.Output);
        Assert.Equal(sensitivity != "top-eigenvalue", run.Output.Contains("loss foretold to rise by", StringComparison.Ordinal));
        Assert.Equal(sensitivity != "measured", run.Output.Contains("Kendall's tau", StringComparison.Ordinal));
        Assert.Matches("fine-tune in this order: fc1, fc2|fine-tune in this order: fc2, fc1", run.Output);
    }

    [Fact]
    public void TorchScript_is_planned_by_size_and_with_a_table_of_costs_by_all_else()
    {
        using var folder = new TemporaryFolder();
        CommandRun plain = CommandRun.Of(["plan", .. Script, "--limit", "size=interp:0.5", "--json"]);
        Assert.True(plain.ExitCode == CurvatureCommand.Success, plain.Error);
        Assert.Equal(["conv1", "conv2", "fc"], plain.Json().GetProperty("assignment").EnumerateObject().Select(layer => layer.Name));
        Assert.Equal(JsonValueKind.Null, plain.Json().GetProperty("bops").ValueKind);
        Assert.Contains("the layers of TorchScript have no hooks by which to reach their inputs", plain.Output, StringComparison.Ordinal);

        CommandRun unknown = CommandRun.Of(["plan", .. Script, "--limit", "bops=50%"]);
        Assert.Equal(CurvatureCommand.Failed, unknown.ExitCode);
        Assert.Equal("error: bops=50%: it needs macs of every layer, and TorchScript does not show what its layers do. Give them in a table (--layers FILE), or limit size or avg-bits.", unknown.Message);

        string costs = folder.Write("costs.json", """
            {"bits": [2, 4, 8], "layers": [
              {"name": "conv1", "parameters": 36, "macs": 2304, "group": "convolutions"},
              {"name": "conv2", "parameters": 216, "macs": 216, "group": "convolutions"},
              {"name": "fc", "parameters": 18, "macs": 18, "fixed": 8}]}
            """);
        CommandRun known = CommandRun.Of(["plan", .. Script, "--limit", "bops=2%", "--layers", costs, "--json"]);
        Assert.True(known.ExitCode == CurvatureCommand.Success, known.Error);
        int[] bits = [.. known.Json().GetProperty("assignment").EnumerateObject().Select(layer => layer.Value.GetInt32())];
        Assert.Equal((bits[0], 8), (bits[1], bits[2]));
        Assert.True(known.Json().GetProperty("bops").GetDouble() <= 0.02 * 1024 * 2538);
    }

    [Theory]
    [InlineData("--limit size=1B", "no plan of conv-scripted-f32.pt is that cheap")]
    [InlineData("--limit avg-bits=4 --sensitivity kfac", "TorchScript modules have no hooks")]
    [InlineData("--limit avg-bits=4 --fix conv3=8", "it has no layer 'conv3' to fix; its layers are 'conv1', 'conv2', 'fc'")]
    [InlineData("--limit avg-bits=4 --group a=conv1,conv3", "it has no layer 'conv3' for the group 'a'")]
    [InlineData("--limit avg-bits=4 --group a=conv1,fc --group b=fc,conv2", "layer 'fc' is in the group 'a' already")]
    [InlineData("--limit avg-bits=4 --group a=conv1,fc --fix conv1=8 --fix fc=4", "layers of group 'a' share their bits")]
    [InlineData("--limit avg-bits=4 --layers missing.json", "nothing of that name")]
    [InlineData("--accuracy 99% --fix conv1=8 --fix conv2=8 --fix fc=4", "every layer is fixed, so there are no bits to choose")]
    [InlineData("--limit avg-bits=4 --sensitivity quadratic --search pairwise --fix fc=3", "layer 'fc' is fixed at 3 bits, and terms between layers are measured at 2, 4, 8. Fix it at one of these, name 3 in --bits")]
    [InlineData("--limit avg-bits=4 --activations 8", "The model is TorchScript, whose modules have no hooks")]
    [InlineData("--limit latency=1ms", "latency=1ms: it needs latency_ms at every width of every layer, and nothing here measures latency")]
    public void What_cannot_be_is_one_line_and_exit_code_1(string options, string expected)
    {
        CommandRun run = CommandRun.Of(["plan", .. Script, .. options.Split(' ')]);
        Assert.DoesNotContain("Measured losses", run.Error, StringComparison.Ordinal); // found before the work
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.Contains(expected, run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_loss_without_right_answers_has_no_accuracy_to_keep_and_that_is_said_before_the_work()
    {
        CommandRun run = CommandRun.Of(["plan", .. Script[..3], "--loss", "mse", "--accuracy", "99%"]);
        Assert.Equal("error: --accuracy: the loss 'mse' knows no right answers; cross-entropy and bce do. Name one of these, or plan within a --limit.", run.Message);
        Assert.DoesNotContain("Sensitivity 'hessian'", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"bits": [4], "layers": [{"name": "conv9", "parameters": 36}]}""", "it has a layer 'conv9', which the model has not")]
    [InlineData("""{"bits": [4], "layers": [{"name": "conv1", "parameters": 37}]}""", "layer 'conv1' has 37 parameters there and 36 in the model")]
    [InlineData("""{"bits": [4], "layers": [{"name": "conv1", "parameters": 36, "macs": -1}]}""", "a whole number from 0 to 2^45")]
    [InlineData("""{"bits": [4], "layers": [{"name": "conv1", "parameters": 36, "group": "a", "fixed": 8}, {"name": "fc", "parameters": 18, "group": "a", "fixed": 4}]}""", "share their bits")]
    [InlineData("""{"bits": [4], "layers": [{"name": "conv1", "parameters": 36}""", "expected JSON")]
    [InlineData("""{"bits": [4], "layers": [{"name": "conv1", "parameters": NaN}]}""", "expected JSON")]
    public void Tables_of_costs_are_read_as_strictly(string table, string expected)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["plan", .. Script, "--limit", "avg-bits=4", "--layers", folder.Write("costs.json", table)]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains(expected, run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Terms_between_layers_lead_to_a_plan_of_their_own()
    {
        CommandRun exact = CommandRun.Of(["plan", .. CommandRun.Digits, .. Few, "--bits", "2,3,8", "--limit", "avg-bits=4", "--sensitivity", "quadratic", "--json"]);
        CommandRun pairwise = CommandRun.Of(["plan", .. CommandRun.Digits, .. Few, "--bits", "2,3,8", "--limit", "avg-bits=4", "--sensitivity", "quadratic", "--search", "pairwise", "--json"]);
        Assert.True(exact.ExitCode == CurvatureCommand.Success && pairwise.ExitCode == CurvatureCommand.Success, exact.Error + pairwise.Error);
        JsonElement beside = exact.Json().GetProperty("others")[0], own = pairwise.Json();
        Assert.Equal("pairwise", beside.GetProperty("plan").GetString());
        Assert.Equal(beside.GetProperty("objective").GetDouble(), own.GetProperty("objective").GetDouble());
        Assert.True(own.GetProperty("predicted_increase").GetDouble() <= exact.Json().GetProperty("predicted_increase").GetDouble());
        Assert.Equal("exact", own.GetProperty("others")[0].GetProperty("plan").GetString());
        double Joint(JsonElement plan) => plan.GetProperty("increase_with_terms").GetDouble(); // of what it is compared with as of itself
        Assert.Equal((own.GetProperty("predicted_increase").GetDouble(), exact.Json().GetProperty("predicted_increase").GetDouble()), (Joint(beside), Joint(own.GetProperty("others")[0])));
        Assert.Contains("with terms between layers", CommandRun.Of(["plan", .. CommandRun.Digits, .. Few, "--bits", "2,8", "--limit", "avg-bits=4", "--sensitivity", "quadratic"]).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_that_chance_made_negative_does_not_go_first()
    {
        TableLayer Layer(string name, double sensitivity, double error) => new() { Name = name, Parameters = 1, Sensitivity = new Dictionary<int, double> { [2] = sensitivity }, SensitivityStandardError = new Dictionary<int, double> { [2] = error } };
        LayerTable table = new() { Bits = [2], Layers = [Layer("noise", -0.1, 0.2), Layer("small", 0.05, 0.01), Layer("negative", -0.1, 0.001)] };
        Assert.Equal(["negative", "small", "noise"], table.Layers.OrderBy(layer => AccuracySearch.AtMost(layer, 2)).Select(layer => layer.Name));
        Assert.Equal(-0.1 + (1.96 * 0.2), AccuracySearch.Falling(table).Layers[0].SensitivityAt(2)!.Value, 12);
        Assert.InRange(AccuracySearch.Falling(table).Layers[2].SensitivityAt(2)!.Value, 1e-12, 1e-6);
    }

    [Fact]
    public void More_bits_stay_worth_having_where_chance_made_some_of_a_layers_sensitivities_negative()
    {
        static TableLayer Layer(string name, params (int Bits, double Sensitivity, double Error)[] widths) => new()
        {
            Name = name,
            Parameters = 1,
            Sensitivity = widths.ToDictionary(width => width.Bits, width => width.Sensitivity),
            SensitivityStandardError = widths.ToDictionary(width => width.Bits, width => width.Error),
        };
        TableLayer[] layers =
        [
            Layer("mixed", (32, 0, 0), (8, -0.0005, 0.002), (4, 0.001, 0.002), (2, 0.01, 0.004)),
            Layer("known better at 4", (32, 0, 0), (8, -0.0005, 0.002), (4, 0.001, 0.0001), (2, 0.01, 0.0001)),
            Layer("negative at 4", (32, 0, 0), (8, 0.001, 0.0005), (4, -0.1, 0.001), (2, 0.01, 0.001)),
        ];
        foreach (TableLayer layer in layers)
        {
            var frontier = ParetoFrontier.Of(new PlanningProblem(AccuracySearch.Falling(new LayerTable { Bits = [32, 8, 4, 2], Layers = [layer] })), PlanCost.Size);
            Assert.Equal([2, 4, 8, 32], Enumerable.Range(0, frontier.Count).Select(point => frontier.Plan(point).Bits[0]));
        }

        TableLayer first = AccuracySearch.Falling(new LayerTable { Bits = [32, 8, 4, 2], Layers = layers }).Layers[0];
        Assert.Equal([0.01 + (1.96 * 0.004), 0.001 + (1.96 * 0.002), -0.0005 + (1.96 * 0.002), 0], ((int[])[2, 4, 8, 32]).Select(bits => first.SensitivityAt(bits)!.Value));
    }

    [Fact]
    public void The_hash_of_the_data_is_taken_before_the_long_work()
    {
        using var folder = new TemporaryFolder();
        using var measuring = new CancellationTokenSource();
        using var output = new StringWriter();
        using var error = new CancellingWriter(measuring, "Sensitivity 'error'");
        string data = folder.Write("digits.csv.gz", File.ReadAllBytes(CommandRun.Digits[4]));
        using CancellationTokenRegistration gone = measuring.Token.Register(() => File.Delete(data));
        Assert.True(CurvatureCommand.Run(["plan", .. CommandRun.Digits.Select(word => word == CommandRun.Digits[4] ? data : word), .. Few, "--limit", "avg-bits=4", "--sensitivity", "error", "--json"], output, error) == CurvatureCommand.Success, error.ToString());
        Assert.False(File.Exists(data));
        Assert.Equal(EnvironmentReport.Sha256(CommandRun.Digits[4]), JsonDocument.Parse(output.ToString()).RootElement.GetProperty("environment").GetProperty("data_sha256").GetString());
    }

    [Fact]
    public void Inputs_of_layers_can_be_quantized_too()
    {
        string[] plan = ["plan", .. CommandRun.Digits, .. Few, "--bits", "4,8", "--limit", "avg-bits=8", "--sensitivity", "error", "--json"];
        JsonElement weights = CommandRun.Of(plan).Json(), coarse = CommandRun.Of([.. plan, "--activations", "2"]).Json(), fine = CommandRun.Of([.. plan, "--activations", "8"]).Json();
        double Loss(JsonElement json, int at) => json.GetProperty("measured")[at].GetProperty("loss").GetDouble();
        Assert.True(Loss(coarse, 0) == Loss(weights, 0) && Loss(coarse, 1) > 1.2 * Loss(weights, 1));
        Assert.InRange(Loss(fine, 1) - Loss(weights, 1), -0.01, 0.01);
        Assert.Equal((2048 + 320) * 8 * 2, coarse.GetProperty("bops").GetDouble());
        Assert.Equal(2, coarse.GetProperty("activation_bits").GetInt32());
        string[] told = ["plan", .. CommandRun.Digits, "--samples", "64", "--threads", "1", "--bits", "4,8", "--limit", "avg-bits=8", "--sensitivity", "exact"];
        Assert.Matches(@"loss foretold to rise by [-\d.e]+, measured", CommandRun.Of(told).Output);
        Assert.Matches(@"loss foretold to rise by [-\d.e]+ of the weights alone, measured", CommandRun.Of([.. told, "--activations", "4"]).Output);
    }

    [Fact]
    public void An_accuracy_can_be_kept_in_place_of_a_limit()
    {
        CommandRun run = CommandRun.Of(["plan", .. CommandRun.Digits, "--samples", "32", "--threads", "1", "--bits", "2,3,8", "--accuracy", "97%", "--sensitivity", "quadratic", "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement json = run.Json(), bound = json.GetProperty("findings").EnumerateArray().Single(finding => finding.GetProperty("id").GetString() == "accuracy-bound");
        Assert.InRange(bound.GetProperty("evidence").GetProperty("evaluations").GetInt32(), 2, 9);
        Assert.Equal("bisection", json.GetProperty("environment").GetProperty("search").GetString());
        Assert.True(json.GetProperty("average_bits").GetDouble() <= 8);
        double Accuracy(int plan) => json.GetProperty("measured")[plan].GetProperty("accuracy").GetDouble();
        Assert.True(Accuracy(1) >= 0.97 * Accuracy(0)); // on all of the data, of which the sensitivities saw 32, whose accuracy 2 bits keep
        Assert.Equal(["exact", "greedy", "2 bits", "3 bits", "8 bits", "32 bits"], json.GetProperty("others").EnumerateArray().Select(other => other.GetProperty("plan").GetString()));
        Assert.DoesNotContain("test-chose", run.Output, StringComparison.Ordinal);
        using var folder = new TemporaryFolder();
        CommandRun fix = CommandRun.Of(["plan", .. CommandRun.Digits, .. Few, "--accuracy", "97", "--fix", "fc2=8", "--test", Repository.File("data/digits.csv.gz"), "--out", folder.File("plan"), "--json"]);
        Assert.Equal(8, fix.Json().GetProperty("assignment").GetProperty("fc2").GetInt32());
        Assert.Contains(fix.Json().GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("id").GetString() == "test-chose");
        string page = File.ReadAllText(folder.File("plan/plan.html"));
        Assert.Contains("which the sensitivities have not seen, but which took part in the choice of the plan.", page, StringComparison.Ordinal);
        Assert.Contains("that keep 97.0\u00A0% of the accuracy in floating point", page, StringComparison.Ordinal);
    }

    [Fact]
    public void An_accuracy_can_be_kept_by_layers_of_a_group_together_along_the_frontier()
    {
        string[] options = ["plan", .. CommandRun.Digits, "--samples", "32", "--threads", "1", "--bits", "2,3,8", "--accuracy", "97%", "--sensitivity", "error", "--json"];
        JsonElement grouped = CommandRun.Of([.. options, "--group", "all=fc1,fc2"]).Json(), free = CommandRun.Of([.. options, "--search", "frontier"]).Json();
        foreach (JsonElement json in (JsonElement[])[grouped, free])
        {
            Assert.Equal("frontier", json.GetProperty("environment").GetProperty("search").GetString());
            double Accuracy(int plan) => json.GetProperty("measured")[plan].GetProperty("accuracy").GetDouble();
            Assert.True(Accuracy(1) >= 0.97 * Accuracy(0));
            JsonElement bound = json.GetProperty("findings").EnumerateArray().Single(finding => finding.GetProperty("id").GetString() == "accuracy-bound");
            Assert.InRange(bound.GetProperty("evidence").GetProperty("evaluations").GetInt32(), 2, 6);
        }

        Assert.Equal([3, 3], grouped.GetProperty("assignment").EnumerateObject().Select(layer => layer.Value.GetInt32()));
        Assert.True(free.GetProperty("size_bytes").GetDouble() <= grouped.GetProperty("size_bytes").GetDouble());
    }

    [Fact]
    public void A_negative_sensitivity_does_not_keep_the_frontier_from_floating_point()
    {
        string[] options = ["plan", .. CommandRun.Digits, "--samples", "32", "--threads", "1", "--bits", "2,3,8", "--accuracy", "99%", "--search", "frontier", "--probes", "1", "--seed", "3", "--json"];
        CommandRun run = CommandRun.Of(options);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement json = run.Json(), objective = json.GetProperty("objective");
        Assert.Contains(json.GetProperty("findings").EnumerateArray(), finding => finding.GetProperty("id").GetString() == "negative-sensitivity");
        double Accuracy(int plan) => json.GetProperty("measured")[plan].GetProperty("accuracy").GetDouble();
        Assert.True(Accuracy(1) >= 0.99 * Accuracy(0));
        int fc2 = json.GetProperty("assignment").GetProperty("fc2").GetInt32(); // of a negative trace
        Assert.InRange(fc2, 3, 32);
        JsonElement layer = json.GetProperty("layers").EnumerateArray().Single(one => one.GetProperty("name").GetString() == "fc2");
        Assert.True(layer.GetProperty("average_trace").GetDouble() < 0 && objective.GetDouble() < 0.1, objective.ToString()); // the sensitivities' own
        CommandRun low = CommandRun.Of([.. options, "--fix", "fc1=2"]);
        Assert.StartsWith("error: digits-mlp.safetensors on digits.csv.gz: --accuracy 99.0 %: 9", low.Message, StringComparison.Ordinal);
        Assert.Contains(" % of the accuracy in floating point are kept with no layer's weight quantized but those that are fixed", low.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_network_whose_layers_no_hook_sees_has_no_inputs_to_quantize_and_that_is_said_before_the_work()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["plan", .. ForwardNetwork.Files(folder), "--loss", "bce", "--limit", "avg-bits=4", "--activations", "4"]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("--activations: no layer's input was seen", run.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Sensitivity", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Bits_of_inputs_are_planned_by_sensitivities_of_their_own_within_a_limit_of_their_own()
    {
        using var folder = new TemporaryFolder();
        string[] options = ["plan", .. CommandRun.Digits, .. Few, "--bits", "4,8", "--limit", "avg-bits=8", "--sensitivity", "error", "--probes", "16", "--activations", "2,4,8"];
        CommandRun run = CommandRun.Of([.. options, "--activation-limit", "avg-bits=5.5", "--out", folder.File("plan"), "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement json = run.Json(), activations = json.GetProperty("activations");
        int[] bits = [.. activations.GetProperty("assignment").EnumerateObject().Select(layer => layer.Value.GetInt32())];
        Assert.Equal([4, 8], bits); // of 64 pixels and 32 activations: 8 and 2 would be dearer than 5.5 on average
        Assert.Equal(JsonValueKind.Null, json.GetProperty("activation_bits").ValueKind);
        Assert.Equal(((64 * 4) + (32 * 8)) / 96.0, activations.GetProperty("average_bits").GetDouble(), 1e-12);
        Assert.Equal((2048 * 8 * 4) + (320 * 8 * 8), json.GetProperty("bops").GetDouble());
        JsonElement[] layers = [.. activations.GetProperty("layers").EnumerateArray()];
        Assert.All(layers, layer => Assert.True(layer.GetProperty("average_trace").GetDouble() > 0 && layer.GetProperty("trace_standard_error").GetDouble() > 0));
        Assert.Equal(
            layers.Select((layer, i) => layer.GetProperty("average_trace").GetDouble() * layer.GetProperty("error").GetProperty($"{bits[i]}").GetDouble()).Sum(),
            activations.GetProperty("objective").GetDouble(),
            1e-12);
        string page = File.ReadAllText(folder.File("plan/plan.html"));
        Assert.Contains("Sensitivities of layers&#39; inputs", page.Replace("layers' inputs", "layers&#39; inputs", StringComparison.Ordinal), StringComparison.Ordinal);
        CommandRun infeasible = CommandRun.Of([.. options, "--activation-limit", "avg-bits=1"]);
        Assert.Contains("no plan of the layers' inputs is that cheap", infeasible.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Sensitivities of the inputs", infeasible.Error, StringComparison.Ordinal); // found before the work
    }

    [Fact]
    public void A_layer_in_floating_point_leaves_the_terms_between_the_others_foretold()
    {
        using var folder = new TemporaryFolder();
        string layers = folder.Write("costs.json", """{"bits": [4], "layers": [{"name": "conv1", "parameters": 36, "fixed": 32}]}""");
        CommandRun run = CommandRun.Of(["plan", .. Script, "--limit", "avg-bits=9", "--bits", "2,3", "--sensitivity", "quadratic", "--layers", layers, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement json = run.Json();
        Assert.Equal(32, json.GetProperty("assignment").GetProperty("conv1").GetInt32());
        Assert.NotEqual(json.GetProperty("objective").GetDouble(), json.GetProperty("predicted_increase").GetDouble()); // the sum of the layers' own terms
        Assert.Equal(64, json.GetProperty("environment").GetProperty("layers_sha256").GetString()!.Length);
    }

    [Theory]
    [InlineData("Sensitivity 'hessian'")]
    [InlineData("Measured losses of single layers")]
    public void Cancelled_half_way_leaves_nothing_and_keeps_an_earlier_plan(string on)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("plan"));
        string earlier = folder.Write("plan/plan.json", "earlier");
        using var cancellation = new CancellationTokenSource();
        using var output = new StringWriter();
        using var error = new CancellingWriter(cancellation, on);
        int exitCode = CurvatureCommand.Run(["plan", .. Script, "--limit", "avg-bits=4", "--out", folder.File("plan")], output, error, cancellation.Token);
        Assert.Equal(CurvatureCommand.Cancelled, exitCode);
        Assert.Empty(output.ToString());
        Assert.Equal("earlier", File.ReadAllText(earlier));
        Assert.Equal([folder.File("plan"), earlier], folder.Entries());
    }
}
