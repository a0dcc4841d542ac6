using System.Text.Json;
using Curvature.Checkpoints;
using Curvature.Cli;
using Curvature.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Cli;

/// <summary><c>curvature prune</c>: what it prints, what it writes, and what is left when it does not get that far.</summary>
public class PruneTests
{
    private static readonly string[] Few = ["--samples", "256", "--gradients", "32", "--steps", "3", "--threads", "1"];

    [Fact]
    public void Tells_how_the_model_does_and_writes_one_that_does_so()
    {
        using var folder = new TemporaryFolder();
        string file = folder.File("pruned.safetensors");
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, .. Few, "--sparsity", "0.8", "--test", Repository.File("data/digits.csv.gz"), "--json", "--out", file]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement json = run.Json(), pruning = json.GetProperty("pruning");
        Assert.Equal(["environment", "pruning", "layers", "file", "findings"], json.EnumerateObject().Select(member => member.Name));
        Assert.Equal((1894, 2368, 32), (pruning.GetProperty("pruned").GetInt64(), pruning.GetProperty("prunable").GetInt64(), pruning.GetProperty("gradients").GetInt64()));
        Assert.Equal(["fc1.weight", "fc2.weight"], json.GetProperty("layers").EnumerateArray().Select(layer => layer.GetProperty("name").GetString()));
        Assert.True(pruning.GetProperty("predicted_increase").GetDouble() > 0);
        double Loss(string when, string of = "loss") => pruning.GetProperty(when).GetProperty(of).GetDouble();
        Assert.True(Loss("before") < Loss("obs") && Loss("obs") < Loss("magnitude"));

        using DisposeScope scope = NewDisposeScope();
        using LoadedModel model = Checkpoint.Load(file, "digits-mlp");
        Assert.Equal(1894, model.Module.parameters().Where(p => p.dim() == 2).Sum(p => p.eq(zeros(1)).sum().ToInt64()));
        using Dataset digits = DataFile.Read(Repository.File("data/digits.csv.gz"), new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        Tensor right = ((nn.IModule<Tensor, Tensor>)model.Module).call(digits.Inputs).argmax(1).eq(digits.Targets);
        Assert.Equal(right.sum().ToInt64() / 1797.0, Loss("obs", "test_accuracy"), 3);
    }

    [Fact]
    public void Prints_a_table_for_people()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, .. Few, "--sparsity", "0.5", "--update", "independent", "--block-size", "64", "--out", folder.File("a.safetensors")]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Contains("50.0 % of 2,368 weights set to zero", run.Output, StringComparison.Ordinal);
        Assert.Contains("magnitude", run.Output, StringComparison.Ordinal);
        Assert.Contains("step 3 of 3: 50.0 % zeros", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bce", 0.75)]
    [InlineData("mse", null)]
    public void Logits_are_right_on_the_right_side_and_other_losses_know_no_accuracy(string loss, double? accuracy)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["prune", .. LogisticNetwork.Files(folder), "--loss", loss, "--sparsity", "0.4", "--steps", "1", "--json", "--out", folder.File("a.safetensors")]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement pruning = run.Json().GetProperty("pruning"), before = pruning.GetProperty("before").GetProperty("accuracy");
        Assert.Equal(accuracy, before.ValueKind == JsonValueKind.Null ? null : before.GetDouble());
        Assert.Equal((1, 3), (pruning.GetProperty("pruned").GetInt64(), pruning.GetProperty("prunable").GetInt64()));
        Assert.Equal((4, 1), (pruning.GetProperty("gradients").GetInt32(), pruning.GetProperty("gradient_samples").GetInt32()));
    }

    [Theory]
    [InlineData("digits-mlp.safetensors", "a.safetensors")]
    [InlineData("digits-mlp.dat", "a.dat")]
    [InlineData("digits-mlp.pth", "a.safetensors")]
    public void Weights_are_written_in_a_format_that_is_read_again(string model, string name)
    {
        using var folder = new TemporaryFolder();
        string source = Model(folder, model), file = folder.File(name);
        CommandRun run = CommandRun.Of(["prune", source, .. CommandRun.Digits[1..], .. Few, "--sparsity", "0.5", "--out", file]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        using LoadedModel pruned = Checkpoint.Load(file, "digits-mlp");
        Assert.Equal(1184, pruned.Module.parameters().Where(p => p.dim() == 2).Sum(p => p.eq(zeros(1)).sum().ToInt64()));
    }

    [Theory]
    [InlineData("mlp-scripted-f32.pt")]
    [InlineData("conv-traced-f64.pt")]
    public void A_TorchScript_model_stays_one(string name)
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        string source = Repository.File($"Curvature.Tests/Fixtures/torchscript/{name}"), file = folder.File("pruned.pt");
        string data = Repository.File($"Curvature.Tests/Fixtures/torchscript/{name.Split('-')[0]}.npz");
        CommandRun run = CommandRun.Of("prune", source, "--data", data, "--loss", "cross-entropy", "--sparsity", "0.6", "--steps", "2", "--json", "--out", file);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        using LoadedModel before = Checkpoint.Load(source), after = Checkpoint.Load(file);
        Assert.Equal(before.Module.named_parameters().Select(p => p.name), after.Module.named_parameters().Select(p => p.name));
        long Zeros(LoadedModel model) => model.Module.parameters().Where(p => p.dim() >= 2).Sum(p => p.eq(zeros(1, p.dtype)).sum().ToInt64());
        Assert.Equal((0, run.Json().GetProperty("pruning").GetProperty("pruned").GetInt64()), (Zeros(before), Zeros(after)));
        using Dataset samples = DataFile.Read(data, new DataOptions());
        Tensor x = samples.Inputs.to(after.Module.parameters().First().dtype);
        double loss = nn.functional.cross_entropy(((nn.IModule<Tensor, Tensor>)after.Module).call(x), samples.Targets).ToDouble();
        Assert.Equal(loss, run.Json().GetProperty("pruning").GetProperty("obs").GetProperty("loss").GetDouble(), 1e-5 * loss);
    }

    [Theory]
    [InlineData("--sparsity 0", 2, "--sparsity 0: expected a number between 0 and 1")]
    [InlineData("--sparsity 1", 2, "expected a number between 0 and 1")]
    [InlineData("--sparsity nan", 2, "expected a number between 0 and 1")]
    [InlineData("--sparsity 0.5 --damping 0", 2, "expected a number above 0")]
    [InlineData("--sparsity 0.5 --block-size 0", 2, "expected a whole number of at least 1")]
    [InlineData("--sparsity 0.5 --update both", 2, "expected one of joint, independent, none")]
    [InlineData("--sparsity 0.5 --matrix ggn", 2, "--matrix")]
    [InlineData("--sparsity 0.5 --parameters *.bias", 1, "nothing to prune")]
    [InlineData("--sparsity 0.5 --test nowhere.npz", 1, "nowhere.npz")]
    public void What_makes_no_sense_is_one_message_and_no_file(string arguments, int exitCode, string message)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, .. Few, .. arguments.Split(' '), "--out", folder.File("a.safetensors")]);
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(message, run.Message, StringComparison.Ordinal);
        Assert.Empty(run.Output);
        Assert.Empty(folder.Entries());
    }

    [Theory]
    [InlineData("a.pt")]
    [InlineData("a.dat")]
    [InlineData("a")]
    public void Another_format_is_refused_before_any_work(string name)
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, "--sparsity", "0.5", "--out", folder.File(name)]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.EndsWith("Name a file that ends in .safetensors.", run.Message, StringComparison.Ordinal);
        Assert.StartsWith("error: Cannot write", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_in_the_files_place_is_refused_before_any_work()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("a.safetensors"));
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, "--sparsity", "0.5", "--out", folder.File("a.safetensors")]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("a folder of that name is in its place", run.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("OBS:", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_file_is_not_written_over_the_data_or_the_model()
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        string file = folder.File("digits.safetensors");
        SafetensorsFile.Write(file, [("x", rand(8, 64)), ("y", zeros(8, ScalarType.Int64))]);
        byte[] earlier = File.ReadAllBytes(file);
        string[] model = CommandRun.Digits[..3], common = [.. model, "--loss", "cross-entropy", "--sparsity", "0.5", "--steps", "1", "--out", file];
        foreach (CommandRun run in (CommandRun[])
            [CommandRun.Of(["prune", .. common, "--data", file]), CommandRun.Of(["prune", .. common, "--data", Repository.File("data/digits.csv.gz"), "--test", file])])
        {
            Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
            Assert.Contains("it is read here", run.Message, StringComparison.Ordinal);
            Assert.Equal(earlier, File.ReadAllBytes(file));
        }

        byte[] weights = File.ReadAllBytes(CommandRun.Digits[0]);
        string source = folder.Write("m.safetensors", weights);
        CommandRun over = CommandRun.Of(["prune", source, .. CommandRun.Digits[1..], .. Few, "--sparsity", "0.5", "--out", source]);
        Assert.Equal((CurvatureCommand.Failed, $"error: Cannot write '{source}': it is read here. Name another file."), (over.ExitCode, over.Message));
        Assert.Equal(weights, File.ReadAllBytes(source));
    }

    [Fact]
    public void A_sparsity_of_less_than_a_weight_is_a_finding()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, .. Few, "--sparsity", "1e-6", "--out", folder.File("a.safetensors")]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Contains("no weight was set to zero", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void A_file_without_a_name_is_one_message(string name)
    {
        CommandRun run = CommandRun.Of(["prune", .. CommandRun.Digits, .. Few, "--sparsity", "0.5", "--out", name]);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.StartsWith("error: Cannot write", run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelled_half_way_keeps_the_earlier_file()
    {
        using var folder = new TemporaryFolder();
        string earlier = folder.Write("a.safetensors", "earlier");
        using var cancellation = new CancellationTokenSource();
        using var output = new StringWriter();
        using var error = new CancellingWriter(cancellation, on: "step 1 of 3");
        int exitCode = CurvatureCommand.Run(["prune", .. CommandRun.Digits, .. Few, "--sparsity", "0.5", "--out", earlier], output, error, cancellation.Token);
        Assert.Equal(CurvatureCommand.Cancelled, exitCode);
        Assert.Empty(output.ToString());
        Assert.Equal("earlier", File.ReadAllText(earlier));
        Assert.Single(folder.Entries());
    }

    private static string Model(TemporaryFolder folder, string name)
    {
        if (!name.EndsWith(".dat", StringComparison.Ordinal))
        {
            return name.EndsWith(".pth", StringComparison.Ordinal) ? Repository.File($"Curvature.Tests/Fixtures/pth/{name}") : CommandRun.Digits[0];
        }

        using LoadedModel model = Checkpoint.Load(CommandRun.Digits[0], "digits-mlp");
        model.Module.save(folder.File(name));
        return folder.File(name);
    }
}
