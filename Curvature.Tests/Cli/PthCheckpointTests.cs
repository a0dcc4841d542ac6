using System.Text.Json;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>PyTorch's state dicts on the command line.</summary>
public class PthCheckpointTests
{
    [Fact]
    public void Measures_what_the_same_weights_in_safetensors_measure()
    {
        JsonElement expected = Trace(CommandRun.Digits[0]);
        JsonElement plain = Trace(Fixture("digits-mlp.pth"));
        JsonElement training = Trace(Fixture("training.pth"));

        Assert.Equal(Value(expected), Value(plain));
        Assert.Equal(Value(expected), Value(training));
        Assert.DoesNotContain("checkpoint", Ids(plain));
        Assert.Equal(2, Ids(training).Count(id => id == "checkpoint")); // the entry taken, and the prefix left out
    }

    [Fact]
    public void Lists_the_tensors_of_a_file()
    {
        CommandRun run = CommandRun.Of("inspect", Fixture("kinds.pth"), Fixture("training.pth"));
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.All(
            (string[])["PyTorch state dict", "bfloat16", "transposed", "[6, 4]", "The weights are those under 'model' of training.pth", "module.fc1.weight"],
            word => Assert.Contains(word, run.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void Refuses_a_whole_model_with_the_remedy()
    {
        CommandRun run = CommandRun.Of("inspect", Fixture("model.pth"));
        Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
        Assert.Contains("__main__.Net, which is not done here; save the weights alone: torch.save(model.state_dict(), file).", run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_whole_model_is_told_what_it_is_before_it_is_asked_for_a_network()
    {
        CommandRun run = CommandRun.Of("measure", "trace", Fixture("model.pth"), "--data", CommandRun.Digits[4], "--loss", "cross-entropy");
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("save the weights alone: torch.save(model.state_dict(), file).", run.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("--model-type", run.Message, StringComparison.Ordinal);
    }

    private static JsonElement Trace(string model)
    {
        CommandRun run = CommandRun.Of(["measure", "trace", model, .. CommandRun.Digits[1..], "--samples", "64", "--probes", "2", "--threads", "1", "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run.Json();
    }

    private static double Value(JsonElement json) => json.GetProperty("trace").GetProperty("value").GetDouble();

    private static string?[] Ids(JsonElement json) => [.. json.GetProperty("findings").EnumerateArray().Select(finding => finding.GetProperty("id").GetString())];

    private static string Fixture(string name) => Repository.File("Curvature.Tests/Fixtures/pth/" + name);
}
