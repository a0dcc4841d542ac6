using System.Text.Json;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

public class InspectTests
{
    [Fact]
    public void Lists_the_arrays_of_several_files()
    {
        CommandRun run = CommandRun.Of("inspect", Repository.File("data/digits-mlp.safetensors"), Repository.File("data/iris.csv"), Fixture("mlp-scripted-f32.pt"));
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.All(
            (string[])["safetensors", "fc1.weight", "[32, 64]", "iris.csv", "[150, 4]", "TorchScript", "fc3.bias"],
            word => Assert.Contains(word, run.Output, StringComparison.Ordinal));
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Shows_the_good_files_beside_a_bad_one()
    {
        CommandRun run = CommandRun.Of("inspect", Repository.File("data/iris.csv"), Repository.File("data/LICENCES.md"), Fixture("mlp.npz"));
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.All((string[])["iris.csv", "mlp.npz"], word => Assert.Contains(word, run.Output, StringComparison.Ordinal));
        Assert.Contains("LICENCES.md", run.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Prints_the_same_as_json()
    {
        CommandRun run = CommandRun.Of("inspect", "--json", Fixture("mlp.npz"));
        JsonElement file = run.Json().GetProperty("files")[0];
        Assert.Equal("npz", file.GetProperty("format").GetString());
        Assert.Equal(64, file.GetProperty("sha256").GetString()!.Length);
        JsonElement inputs = file.GetProperty("arrays")[0];
        Assert.Equal(
            ("x", "float32", 20, 6, 480),
            (inputs.GetProperty("name").GetString(), inputs.GetProperty("dtype").GetString(), inputs.GetProperty("shape")[0].GetInt32(),
                inputs.GetProperty("shape")[1].GetInt32(), inputs.GetProperty("bytes").GetInt32()));
    }

    private static string Fixture(string name) => Repository.File("Curvature.Tests/Fixtures/torchscript/" + name);
}
