using System.Text.Json;
using Curvature.Checkpoints;
using Curvature.Cli;
using Curvature.Quant.Networks;
using Curvature.Quant.Quantizers;
using Curvature.Tests.Core.Checkpoints;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary><c>curvature quantize</c>: a plan applied, or refused.</summary>
public class QuantizeTests
{
    private const string Plan = """{"assignment": {"fc1": 3, "fc2": 8}, "loss_function": "cross-entropy"}""";

    private static readonly string[] Digits = [.. CommandRun.Digits[..^2]]; // without the loss

    [Fact]
    public void Writes_weights_on_their_grids_and_says_what_that_does()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("q.safetensors"), scales = folder.File("scales.json");
        CommandRun run = CommandRun.Of(["quantize", .. Digits, "--samples", "200", "--plan", folder.Write("plan.json", Plan), "--test", Repository.File("data/digits.csv.gz"), "--scales", scales, "--out", file, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement quantization = run.Json().GetProperty("quantization");
        Assert.Equal(((3 * 2048) + (8 * 320)) / 8.0, quantization.GetProperty("size_bytes").GetDouble());
        double After(string number) => quantization.GetProperty("after").GetProperty(number).GetDouble();
        Assert.NotEqual(quantization.GetProperty("before").GetProperty("loss").GetDouble(), After("loss"));

        using DisposeScope scope = NewDisposeScope();
        using LoadedModel before = Checkpoint.Load(CommandRun.Digits[0], "digits-mlp"), after = Checkpoint.Load(file, "digits-mlp");
        foreach ((WeightLayer source, WeightLayer layer) in QuantizableNetwork.Of(before.Module).Layers.Zip(QuantizableNetwork.Of(after.Module).Layers))
        {
            Assert.True(Quantizer.HawqWeights(layer.Name == "fc1" ? 3 : 8).Quantize(source.Weight).Dequantize().Equals(layer.Weight));
        }

        JsonElement[] grids = [.. JsonDocument.Parse(File.ReadAllText(scales)).RootElement.GetProperty("layers").EnumerateArray()];
        Assert.Equal((32, -4, 3), (grids[0].GetProperty("scale").GetArrayLength(), grids[0].GetProperty("lowest").GetInt32(), grids[0].GetProperty("highest").GetInt32()));

        CommandRun again = CommandRun.Of(["quantize", file, .. Digits[1..], "--plan", folder.File("plan.json"), "--test", Repository.File("data/digits.csv.gz"), "--loss", "cross-entropy", "--out", folder.File("r.safetensors")]);
        Assert.True(again.ExitCode == CurvatureCommand.Success, again.Error);
        Assert.Contains("digits-mlp", again.Output.Replace("q.safetensors", "digits-mlp", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Matches(@"fc1 +2,048 +3 ", again.Output);
    }

    [MountFact]
    public void A_disk_that_is_full_leaves_scales_and_model_as_they_were()
    {
        using var folder = new TemporaryFolder();
        using var mount = Mount.Tmpfs(folder, "size=16k"); // the model takes 19 kB
        string scales = folder.Write("scales.json", "earlier"), file = Path.Combine(mount.Path, "q.safetensors");
        File.WriteAllText(file, "earlier");
        CommandRun run = CommandRun.Of(["quantize", .. Digits, "--samples", "20", "--plan", folder.Write("plan.json", Plan), "--scales", scales, "--out", file, "--dtype", "float64"]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("disk is full", run.Message, StringComparison.Ordinal);
        Assert.Equal(("earlier", "earlier"), (File.ReadAllText(scales), File.ReadAllText(file)));
    }

    [Fact]
    public void A_plan_is_carried_from_plan_to_quantize_and_gives_what_it_said()
    {
        using var folder = new TemporaryFolder();
        string[] script = [TorchScriptFileTests.Fixture("mlp-scripted-f64.pt"), "--data", TorchScriptFileTests.Fixture("mlp.npz"), "--threads", "1"];
        CommandRun plan = CommandRun.Of(["plan", .. script, "--loss", "cross-entropy", "--limit", "avg-bits=4", "--sensitivity", "quadratic", "--out", folder.File("plan.json"), "--json"]);
        Assert.True(plan.ExitCode == CurvatureCommand.Success, plan.Error);
        CommandRun run = CommandRun.Of(["quantize", .. script, "--plan", folder.File("plan.json"), "--out", folder.File("q.pt"), "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement[] measured = [.. plan.Json().GetProperty("measured").EnumerateArray()];
        JsonElement quantization = run.Json().GetProperty("quantization");
        Assert.Equal(measured[0].GetProperty("loss").GetDouble(), quantization.GetProperty("before").GetProperty("loss").GetDouble());
        Assert.Equal(measured[1].GetProperty("loss").GetDouble(), quantization.GetProperty("after").GetProperty("loss").GetDouble());
        Assert.DoesNotContain("another-checkpoint", run.Output, StringComparison.Ordinal);
        CommandRun other = CommandRun.Of(["quantize", folder.File("q.pt"), .. script[1..], "--plan", folder.File("plan.json"), "--out", folder.File("r.pt")]);
        Assert.Contains("warning another-checkpoint", other.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"assignment": {"fc1": 3}}""", "it has no bits for 'fc2' of the model")]
    [InlineData("""{"assignment": {"fc1": 3, "fc2": 8, "fc3": 8}}""", "it plans for 'fc3', which the model has not; the model's layers are 'fc1', 'fc2'")]
    [InlineData("""{"assignment": {"fc1": 1, "fc2": 8}}""", "2 to 8 bits, or 32 for floating point, for layer 'fc1'")]
    [InlineData("""{"assignment": {"fc1": 4.5, "fc2": 8}}""", "for layer 'fc1'")]
    [InlineData("""{"assignment": {"fc1": null, "fc2": 8}}""", "for layer 'fc1'")]
    [InlineData("""{"assignment": {"fc1": 4, "fc2": NaN}}""", "expected JSON")]
    [InlineData("""{"assignment": {"fc1": 4, "fc1": 8}}""", "'fc1' twice")]
    [InlineData("""{"assignment": {}}""", "under \"assignment\"")]
    [InlineData("""[4, 8]""", "under \"assignment\"")]
    [InlineData("""{"assignment": {"fc1": 4, "fc2": 8}, "activations": {"assignment": {"fc1": 9}}}""", "for the input of layer 'fc1'")]
    [InlineData("""{"assignment": {"fc1": 4, "fc2": 8}, "activations": {"assignment": {"fc3": 4}}}""", "'fc3'")]
    [InlineData("""{"assignment": {"fc1": 4, "fc2": 8}, "activation_bits": 1.5}""", "for the input of layer 'fc1'")]
    [InlineData("""{"assignment": {"fc1": 4, """, "expected JSON")]
    [InlineData("", "expected JSON")]
    [InlineData("""{"assignment": {"fc1": 4, "fc2": 8}, "layers": [{"name": "fc1", "parameters": 100}]}""", "made for a layer 'fc1' of 100 weights, and the model's has 2048")]
    public void A_plan_that_does_not_fit_is_refused_and_nothing_is_written(string plan, string expected)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["quantize", .. Digits, "--loss", "cross-entropy", "--plan", folder.Write("plan.json", plan), "--out", folder.File("q.safetensors")]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains(expected, run.Message, StringComparison.Ordinal);
        Assert.Equal(["plan.json"], Directory.GetFiles(folder.File(".")).Select(Path.GetFileName));
    }

    [Fact]
    public void A_place_that_cannot_be_written_leaves_models_as_they_were()
    {
        using var folder = new TemporaryFolder();
        string model = folder.File("m.safetensors"), plan = folder.Write("plan.json", Plan), earlier = folder.Write("q.safetensors", "earlier");
        File.Copy(CommandRun.Digits[0], model);
        Directory.CreateDirectory(folder.File("grids"));
        CommandRun Run(string scales, string? file = null) => CommandRun.Of(["quantize", model, .. Digits[1..], "--samples", "64", "--plan", plan, "--out", file ?? earlier, "--scales", scales]);
        Assert.Contains($"Cannot write '{model}': it is read here", Run(folder.File("s.json"), model).Message, StringComparison.Ordinal);
        Assert.Contains("a folder of that name is in its place", Run(folder.File("grids")).Message, StringComparison.Ordinal);
        Assert.Contains($"Cannot write '{plan}': it is read here", Run(plan).Message, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(CommandRun.Digits[0]), File.ReadAllBytes(model));
        Assert.Equal("earlier", File.ReadAllText(earlier));
    }

    [Fact]
    public void A_plan_that_was_measured_with_inputs_quantized_says_so()
    {
        using var folder = new TemporaryFolder();
        string plan = folder.Write("plan.json", Plan.Replace("}, ", "}, \"activation_bits\": 4, ", StringComparison.Ordinal));
        CommandRun run = CommandRun.Of(["quantize", .. Digits, "--samples", "64", "--plan", plan, "--out", folder.File("q.safetensors")]);
        Assert.Contains("warning inputs-not-quantized: The plan was measured with layers' inputs at 4 bits", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("light", false)]
    [InlineData("adaquant", true)]
    public void Layers_are_calibrated_with_inputs_as_the_plan_has_them(string calibration, bool learns)
    {
        using var folder = new TemporaryFolder();
        string plan = folder.Write("plan.json", """{"assignment": {"fc1": 3, "fc2": 3}, "activations": {"assignment": {"fc1": 4, "fc2": 8}}, "loss_function": "cross-entropy"}"""), scales = folder.File("scales.json"), model = folder.File("q.safetensors");
        string[] options = ["quantize", .. Digits, "--plan", plan, "--threads", "1", "--out", model, "--scales", scales, "--json", "--calibrate", calibration];
        JsonElement json = CommandRun.Of(options).Json(), quantization = json.GetProperty("quantization");
        Assert.Equal((calibration, 1024), (quantization.GetProperty("calibration").GetProperty("method").GetString(), quantization.GetProperty("calibration").GetProperty("samples").GetInt32()));
        double Loss(JsonElement of, string when) => of.GetProperty("quantization").GetProperty(when).GetProperty("loss").GetDouble();
        JsonElement[] layers = [.. json.GetProperty("layers").EnumerateArray()];
        if (learns)
        {
            Assert.All(layers, layer => Assert.True(layer.GetProperty("output_error").GetProperty("calibrated").GetDouble() <= layer.GetProperty("output_error").GetProperty("rounded").GetDouble()));
            Assert.True(quantization.GetProperty("calibration").GetProperty("divergence").GetDouble() < quantization.GetProperty("calibration").GetProperty("divergence_before_biases").GetDouble());
        }

        JsonElement[] grids = [.. JsonDocument.Parse(File.ReadAllText(scales)).RootElement.GetProperty("layers").EnumerateArray()];
        Assert.Equal([4, 8], grids.Select(grid => grid.GetProperty("input").GetProperty("bits").GetInt32()));
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel after = Checkpoint.Load(model, "digits-mlp");
        foreach ((WeightLayer layer, JsonElement grid) in QuantizableNetwork.Of(after.Module).Layers.Zip(grids))
        {
            using Tensor scale = tensor(grid.GetProperty("scale").EnumerateArray().Select(value => value.GetDouble()).ToArray()).unsqueeze(1), codes = layer.Weight.to(ScalarType.Float64).div(scale);
            Assert.True(codes.sub(codes.round()).abs().max().ToDouble() < 1e-4 && codes.round().unique().output.numel() <= 8, layer.Name);
        }

        JsonElement again = CommandRun.Of(["quantize", model, .. Digits[1..], "--plan", plan, "--threads", "1", "--out", folder.File("r.safetensors"), "--json"]).Json();
        Assert.NotEqual(Loss(json, "after"), Loss(again, "before")); // the file's inputs are in floating point
        Assert.Equal(JsonValueKind.Null, again.GetProperty("quantization").GetProperty("calibration").ValueKind);
        if (learns)
        {
            double rounded = Loss(CommandRun.Of([.. options[..^1], "light"]).Json(), "after");
            Assert.True(Loss(json, "after") < rounded, $"{Loss(json, "after")} {rounded}");
        }
    }

    [Theory]
    [InlineData("light")]
    [InlineData("adaquant")]
    public void A_layer_in_floating_point_has_its_input_quantized_as_the_plan_was_measured(string calibration)
    {
        using var folder = new TemporaryFolder();
        (double Loss, JsonElement[] Grids) Run(int bits)
        {
            string plan = folder.Write("plan.json", $$$"""{"assignment": {"fc1": 32, "fc2": 4}, "activations": {"assignment": {"fc1": {{{bits}}}, "fc2": 8}}, "loss_function": "cross-entropy"}""");
            JsonElement json = CommandRun.Of(["quantize", .. Digits, "--samples", "256", "--plan", plan, "--threads", "1", "--out", folder.File("q.safetensors"), "--scales", folder.File("scales.json"), "--json", "--calibrate", calibration]).Json();
            JsonElement finding = json.GetProperty("findings").EnumerateArray().Single(one => one.GetProperty("id").GetString() == "calibrated");
            Assert.True(finding.GetProperty("evidence").GetProperty("inputs_quantized").GetBoolean());
            return (json.GetProperty("quantization").GetProperty("after").GetProperty("loss").GetDouble(), [.. JsonDocument.Parse(File.ReadAllText(folder.File("scales.json"))).RootElement.GetProperty("layers").EnumerateArray()]);
        }

        (double coarse, JsonElement[] grids) = Run(2);
        Assert.Equal([("fc1", 32, 0, 2), ("fc2", 4, 10, 8)], grids.Select(grid => (grid.GetProperty("name").GetString()!, grid.GetProperty("bits").GetInt32(), grid.GetProperty("scale").GetArrayLength(), grid.GetProperty("input").GetProperty("bits").GetInt32())).Order());
        Assert.Equal(JsonValueKind.Null, grids.Single(grid => grid.GetProperty("name").GetString() == "fc1").GetProperty("lowest").ValueKind);
        Assert.True(coarse > 1.2 * Run(8).Loss, $"{coarse} {Run(8).Loss}");
    }

    [Fact]
    public void Inputs_that_no_hook_reaches_are_named()
    {
        using var folder = new TemporaryFolder();
        string plan = folder.Write("plan.json", """{"assignment": {"fc": 4}, "activation_bits": 8, "loss_function": "bce"}""");
        CommandRun run = CommandRun.Of(["quantize", .. ForwardNetwork.Files(folder), "--plan", plan, "--out", folder.File("q.safetensors"), "--calibrate", "light"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Contains("warning inputs-not-quantized: The plan has the inputs of fc at 8 bits", run.Output, StringComparison.Ordinal);
        Assert.Contains("activations in floating point", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void TorchScript_is_rounded_and_no_more()
    {
        using var folder = new TemporaryFolder();
        string plan = folder.Write("plan.json", """{"assignment": {"conv1": 4, "conv2": 4, "fc": 4}, "loss_function": "cross-entropy"}""");
        CommandRun run = CommandRun.Of(["quantize", TorchScriptFileTests.Fixture("conv-scripted-f32.pt"), "--data", TorchScriptFileTests.Fixture("conv.npz"), "--plan", plan, "--out", folder.File("q.pt"), "--calibrate", "adaquant"]);
        Assert.StartsWith("error: --calibrate adaquant: the model is TorchScript", run.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("q.pt")));
    }

    [Theory]
    [InlineData("plan.json", "it is read here")]
    [InlineData("q.pt", "is written as that")]
    public void Files_that_are_read_are_never_written(string name, string expected)
    {
        using var folder = new TemporaryFolder();
        string plan = folder.Write("plan.json", """{"assignment": {"fc1": 4, "fc2": 8}}""");
        CommandRun run = CommandRun.Of(["quantize", .. Digits, "--loss", "cross-entropy", "--plan", plan, "--out", folder.File(name)]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains(expected, run.Message, StringComparison.Ordinal);
        CommandRun lossless = CommandRun.Of(["quantize", .. Digits, "--plan", plan, "--out", folder.File("q.safetensors")]);
        Assert.Contains("it does not say which loss it was made with. Name one (--loss)", lossless.Message, StringComparison.Ordinal);
    }
}
