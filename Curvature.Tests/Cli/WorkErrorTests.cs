using System.Runtime.InteropServices;
using System.Text;
using Curvature.Cli;
using Curvature.Tests.Core.Data;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>What can be wrong with files and with how they fit together: one message, exit code 1, nothing left behind.</summary>
public class WorkErrorTests
{
    private static readonly string Mlp = Fixture("mlp-scripted-f32.pt");
    private static readonly string MlpData = Fixture("mlp.npz");

    /// <summary>By name: what goes wrong in a folder, as model, data and further options, and what the message must contain.</summary>
    private static readonly Dictionary<string, (Func<TemporaryFolder, string[]> Arguments, string[] Expected)> Cases = new()
    {
        ["missing model"] = (folder => [folder.File("none.pt"), "--data", MlpData], ["none.pt", "nothing of that name"]),
        ["missing data"] = (folder => [Mlp, "--data", folder.File("none.npz")], ["none.npz", "nothing of that name"]),
        ["folder as model"] = (folder => [Path.GetDirectoryName(folder.File("x"))!, "--data", MlpData], ["a folder"]),
        ["cut TorchScript"] = (folder => [Cut(folder, Mlp), "--data", MlpData], ["cut-mlp-scripted-f32.pt"]),
        ["flipped TorchScript"] = (folder => [Flipped(folder, Mlp), "--data", MlpData], ["flipped-mlp-scripted-f32.pt"]),
        ["cut npz"] = (folder => [Mlp, "--data", Cut(folder, MlpData)], ["cut-mlp.npz"]),
        ["flipped npz"] = (folder => [Mlp, "--data", Flipped(folder, MlpData)], ["flipped-mlp.npz"]),
        ["cut safetensors"] = (folder => [Cut(folder, Repository.File("data/digits-mlp.safetensors")), "--model-type", "digits-mlp", "--data", MlpData], ["cut-digits-mlp.safetensors"]),
        ["cut csv.gz"] = (folder => [Mlp, "--data", Cut(folder, Repository.File("data/digits.csv.gz"))], ["cut-digits.csv.gz"]),
        ["flipped csv.gz"] = (folder => [Mlp, "--data", Flipped(folder, Repository.File("data/digits.csv.gz"))], ["flipped-digits.csv.gz"]),
        ["ragged csv"] = (folder => [Mlp, "--data", folder.Write("r.csv", "1,2,0\n3,1\n")], ["r.csv"]),
        ["cut idx"] = (
            folder => [Mlp, "--data", $"{folder.Write("i-idx3", SampleFiles.Idx([3, 1, 2], [1, 2, 3, 4, 5]))},{folder.Write("l-idx1", SampleFiles.Idx([3], [0, 1, 2]))}"],
            ["i-idx3"]),
        ["terabytes claimed"] = (
            folder => [Mlp, "--data", folder.Write("big.safetensors", SampleFiles.Safetensors(
                """{"x":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]},"y":{"dtype":"I64","shape":[1],"data_offsets":[4000000000000,4000000000008]}}""", []))],
            ["big.safetensors"]),
        ["unknown kind of data"] = (folder => [Mlp, "--data", folder.Write("data.parquet", "x")], ["data.parquet", ".npz"]),
        ["pickled weights"] = (folder => [folder.Write("weights.pth", [0x80, 2, (byte)'}', (byte)'.']), "--data", MlpData], ["weights.pth", "bare pickle", "torch.save(torch.load(file)"]),
        ["weights without a type"] = (_ => [Repository.File("data/digits-mlp.safetensors"), "--data", MlpData], ["--model-type", "digits-mlp"]),
        ["a type that no assembly has"] = (_ => [Repository.File("data/digits-mlp.safetensors"), "--model-type", "Missing.dll!Nets.Mlp", "--data", MlpData], ["Missing.dll"]),
        ["weights of another network"] = (_ => [Repository.File("data/digits-mlp.safetensors"), "--model-type", "lenet", "--data", MlpData], ["digits-mlp.safetensors"]),
        ["real-valued labels"] = (
            folder => [Mlp, "--data", folder.Write("real.csv", "1,2,3,4,5,6,0.5\n1,2,3,4,5,6,1.5\n")], ["on real.csv", "int64", "use mse"]),
        ["padding labels"] = (folder => [Mlp, "--data", folder.Write("l.csv", "1,2,3,4,5,6,0\n1,2,3,4,5,6,-1\n")], ["--ignore-index N"]),
        ["too narrow inputs"] = (folder => [Mlp, "--data", folder.Write("narrow.csv", "1,2,0\n3,4,1\n")], ["on narrow.csv", "[2, 2]", "the shape the model takes"]),
        ["bytes for real numbers"] = (
            folder => [Mlp, "--data", folder.Write("b.safetensors", SampleFiles.Safetensors(
                """{"x":{"dtype":"U8","shape":[2,6],"data_offsets":[0,12]},"y":{"dtype":"U8","shape":[2],"data_offsets":[12,14]}}""", [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 0, 1]))],
            ["on b.safetensors", "(uint8 too)", "save x as float32, or give a scale"]),
        ["shapes that do not fit"] = (_ => [Mlp, "--data", Fixture("conv.npz")], ["rejected", "shape"]),
        ["labels out of range"] = (folder => [Mlp, "--data", folder.Write("l.csv", "1,2,3,4,5,6,0\n1,2,3,4,5,6,3\n")], ["Labels out of range", "3 classes"]),
        ["labels out of range of class weights"] = (
            folder => [Mlp, "--data", folder.Write("l.csv", "1,2,3,4,5,6,0\n1,2,3,4,5,6,3\n"), "--class-weights", "1,1,2"], ["Labels out of range", "weights for 3 classes"]),
        ["too few class weights"] = (_ => [Mlp, "--data", MlpData, "--class-weights", "1,2"], ["Labels out of range", "weights for 2 classes"]),
        ["NaN in data"] = (folder => [Mlp, "--data", folder.Write("n.csv", "1,2,3,4,5,6,0\n1,2,nan,4,5,6,1\n")], ["n.csv", "expected a finite number", "line 2"]),
        ["NaN in weights"] = (folder => [BadWeights(folder), "--model-type", "digits-mlp", "--data", MlpData], ["bad.safetensors", "NaN", "fc1.bias"]),
        ["zero samples"] = (folder => [Mlp, "--data", folder.Write("empty.csv", "a,b,c\n")], ["empty.csv"]),
        ["no such target"] = (folder => [Mlp, "--data", folder.Write("t.csv", "a,b\n1,2\n"), "--target", "label"], ["label"]),
        ["empty glob"] = (_ => [Mlp, "--data", MlpData, "--parameters", "conv*"], ["No parameter matches 'conv*'", "fc1.weight"]),
        ["dropout in train mode"] = (folder => [.. DropoutNetwork.Files(folder), "--train-mode"], ["train mode", "dropout"]),
        ["class options of another loss"] = (_ => [Mlp, "--data", MlpData, "--loss", "mse", "--label-smoothing", "0.1"], ["mse", "only cross-entropy"]),
        ["more eigenvalues than parameters"] = (_ => [Mlp, "--data", MlpData, "--top", "100000"], ["--top 100000", "expected at most", "number of parameters"]),
        ["no such device"] = (_ => [Mlp, "--data", MlpData, "--device", "cuda:77"], ["cuda:77"]),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [InlineData("eigs", "--top", "100000", "5")]
    [InlineData("logdet", "--damping", null, "0.5")]
    public void What_is_refused_before_the_first_product_leaves_no_checkpoint_that_refuses_it_put_right(string quantity, string option, string? wrong, string right)
    {
        using var folder = new TemporaryFolder();
        CommandRun Run(string? value) => CommandRun.Of(
            ["measure", quantity, Mlp, "--data", MlpData, "--loss", "cross-entropy", "--matrix", "ggn", "--samples", "8", .. value is null ? (string[])[] : [option, value], "--checkpoint", folder.File("job"), "--threads", "1"]);
        CommandRun refused = Run(wrong);
        Assert.Equal(CurvatureCommand.Failed, refused.ExitCode);
        Assert.Contains(option, refused.Message, StringComparison.Ordinal);
        CommandRun again = Run(right);
        Assert.True(again.ExitCode == CurvatureCommand.Success, again.Error);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_one_message_exit_code_1_and_no_leftovers(string name)
    {
        using var folder = new TemporaryFolder();
        (Func<TemporaryFolder, string[]> arguments, string[] expected) = Cases[name];
        string[] given = arguments(folder);
        string[] before = folder.Entries();
        string[] loss = given.Contains("--loss") ? [] : ["--loss", "cross-entropy"];

        CommandRun run = CommandRun.Of(["report", .. given, .. loss, "--out", folder.File("out"), "--budget", "1"]);

        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.StartsWith("error: ", run.Message, StringComparison.Ordinal);
        Assert.All(expected, part => Assert.Contains(part, run.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("should not have happened", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, folder.Entries());
    }

    [Theory]
    [InlineData("mlp-scripted-f32.pt")]
    [InlineData("mlp.npz")]
    public void Inspect_refuses_a_damaged_file(string name)
    {
        using var folder = new TemporaryFolder();
        foreach (string file in (string[])[Cut(folder, Fixture(name)), Flipped(folder, Fixture(name)), folder.File("none" + Path.GetExtension(name))])
        {
            CommandRun run = CommandRun.Of("inspect", file);
            Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
            Assert.Empty(run.Output);
            Assert.Contains(Path.GetFileName(file), run.Message, StringComparison.Ordinal);
        }
    }

    private static string Fixture(string name) => Repository.File("Curvature.Tests/Fixtures/torchscript/" + name);

    private static string Cut(TemporaryFolder folder, string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        return folder.Write("cut-" + Path.GetFileName(file), bytes[..(bytes.Length * 2 / 3)]);
    }

    private static string Flipped(TemporaryFolder folder, string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 0x10;
        return folder.Write("flipped-" + Path.GetFileName(file), bytes);
    }

    /// <summary>The digits checkpoint with its last weight made NaN: fc1.bias and others follow in the order of its header.</summary>
    private static string BadWeights(TemporaryFolder folder)
    {
        byte[] bytes = File.ReadAllBytes(Repository.File("data/digits-mlp.safetensors"));
        int header = 8 + (int)BitConverter.ToInt64(bytes);
        string text = Encoding.UTF8.GetString(bytes, 8, header - 8);
        int begin = header + int.Parse(text[(text.IndexOf("fc1.bias", StringComparison.Ordinal) + 1)..].Split("\"data_offsets\":[")[1].Split(',')[0], System.Globalization.CultureInfo.InvariantCulture);
        MemoryMarshal.Write(bytes.AsSpan(begin), float.NaN);
        return folder.Write("bad.safetensors", bytes);
    }
}
