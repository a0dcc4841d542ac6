using Curvature.Checkpoints;
using Curvature.Data;
using TorchSharp;
using Xunit;
using static Curvature.Tests.Core.Checkpoints.Pickle;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

public class PthFileTests
{
    [Fact]
    public void The_weights_of_PyTorch_are_those_of_the_same_network_in_safetensors()
    {
        using LoadedModel expected = Checkpoint.Load(Repository.File("data/digits-mlp.safetensors"), "digits-mlp");
        using LoadedModel loaded = Checkpoint.Load(Fixture("digits-mlp.pth"), "digits-mlp");

        Assert.Equal("PyTorch state dict", loaded.Format);
        Assert.Empty(loaded.Remarks);
        AssertSame(expected.Module, loaded.Module);
    }

    [Fact]
    public void What_a_training_script_saved_is_unwrapped_and_the_remarks_say_so()
    {
        using LoadedModel expected = Checkpoint.Load(Repository.File("data/digits-mlp.safetensors"), "digits-mlp");
        using LoadedModel loaded = Checkpoint.Load(Fixture("training.pth"), "digits-mlp");

        AssertSame(expected.Module, loaded.Module);
        Assert.Equal(
            [
                "The weights are those under 'model' of training.pth, which holds 'epoch' (a number), 'model' (a dictionary), 'ema' (a dictionary), "
                + "'optimizer' (a dictionary), 'loss' (a number), 'seed' (a number), 'history' (a list).",
                "Every name in training.pth starts with 'module.', as PyTorch's wrappers write them; it was left out.",
            ],
            loaded.Remarks);
    }

    [Theory]
    [InlineData("uint8", ScalarType.Byte)]
    [InlineData("int8", ScalarType.Int8)]
    [InlineData("int16", ScalarType.Int16)]
    [InlineData("int32", ScalarType.Int32)]
    [InlineData("int64", ScalarType.Int64)]
    [InlineData("float16", ScalarType.Float16)]
    [InlineData("bfloat16", ScalarType.BFloat16)]
    [InlineData("float32", ScalarType.Float32)]
    [InlineData("float64", ScalarType.Float64)]
    public void Every_element_type_is_read(string name, ScalarType type)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = PthFile.Read(Fixture("kinds.pth"))[name];
        Assert.Equal((type, "[2, 3]", "0 1 2 3 4 5"), (tensor.dtype, $"[{string.Join(", ", tensor.shape)}]", Show(tensor)));
    }

    [Theory]
    [InlineData("bool", "[3]", "1 0 1")]
    [InlineData("scalar", "[]", "2.5")]
    [InlineData("empty", "[0, 3]", "")]
    [InlineData("transposed", "[6, 4]", "0 6 12 18 1 7 13 19 2 8 14 20 3 9 15 21 4 10 16 22 5 11 17 23")]
    [InlineData("middle", "[2, 3]", "8 9 10 14 15 16")]
    [InlineData("expanded", "[2, 3]", "7 7 7 7 7 7")]
    [InlineData("shared.all", "[6]", "0 1 2 3 4 5")]
    [InlineData("shared.tail", "[2]", "4 5")]
    [InlineData("parameter", "[2]", "1 1")]
    public void Views_come_with_offset_and_strides(string name, string shape, string elements)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor tensor = PthFile.Read(Fixture("kinds.pth"))[name];
        Assert.Equal((shape, elements), ($"[{string.Join(", ", tensor.shape)}]", Show(tensor)));
    }

    [Fact]
    public void Nothing_stays_behind_when_the_tensors_are_disposed()
    {
        using DisposeScope outer = NewDisposeScope();
        GC.Collect(); // what other tests left to the finalizer is not to be counted
        GC.WaitForPendingFinalizers();
        long before = torch.Tensor.TotalCount;
        using (NewDisposeScope())
        {
            Assert.Equal(18, PthFile.Read(Fixture("kinds.pth")).Count);
        }

        Assert.Equal(before, torch.Tensor.TotalCount);
    }

    [Fact]
    public void A_description_reads_no_elements()
    {
        FileContents contents = Checkpoint.Describe(Fixture("training.pth"));
        Assert.Equal("PyTorch state dict", contents.Format);
        Assert.Equal(
            ["module.fc1.weight float32 32x64 8192", "module.fc1.bias float32 32 128", "module.fc2.weight float32 10x32 1280", "module.fc2.bias float32 10 40"],
            contents.Entries.Select(entry => $"{entry.Name} {entry.DType} {string.Join('x', entry.Shape)} {entry.Bytes}"));
        Assert.Contains("under 'model'", Assert.Single(contents.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void A_storage_of_bytes_is_read_as_the_type_of_its_tensor()
    {
        byte[] storage = Storage(16, kind: "UntypedStorage", module: "torch.storage");
        byte[] tensor =
        [
            .. Global("torch._utils", "_rebuild_tensor_v3"),
            .. Tuple(storage, Number(1), Numbers(3), Numbers(1), False, OrderedDict, Global("torch", "float32")), .. CallFunction,
        ];
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal("1 2 3", Show(Read(Archive(Program(Dict(("a", tensor)))))["a"]));
    }

    [Fact]
    public void A_whole_model_is_refused_by_the_name_of_its_class()
    {
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(Fixture("model.pth"), "digits-mlp"));
        Assert.Equal(
            $"{Fixture("model.pth")}: expected names and tensors of float, integer or boolean type (a state dict), got a pickle that asks Python for "
            + "__main__.Net, which is not done here; save the weights alone: torch.save(model.state_dict(), file).",
            error.Message);
    }

    [Fact]
    public void The_format_before_PyTorch_1_6_says_how_to_save_it_again()
    {
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(Fixture("legacy.pth"), "digits-mlp"));
        Assert.Contains("got a bare pickle: the older format of torch.save", error.Message, StringComparison.Ordinal);
        Assert.Contains("save it again: torch.save(torch.load(file), other_file)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Big_endian_elements_are_refused()
    {
        byte[] archive = Archive(Program(Dict(("a", Tensor(Storage(4), 0, [4], [1])))), byteOrder: "big");
        Assert.Contains("expected little-endian elements, got 'big'", Refusal(archive), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_dictionaries_that_could_be_meant_are_named()
    {
        byte[] weights = Dict(("a", Tensor(Storage(4), 0, [4], [1])));
        string message = Refusal(Archive(Program(Dict(("generator", weights), ("discriminator", weights)))));
        Assert.Contains("got those of 2: 'generator', 'discriminator'; save one of them alone: torch.save(torch.load(file)['generator']", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_only_dictionary_of_tensors_is_taken_under_any_name()
    {
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        byte[] archive = Archive(Program(Dict(("step", Number(7)), ("lr", Real(0.5)), ("encoder", Dict(("a", Tensor(Storage(4), 0, [4], [1])))))));
        string? told = null;
        Assert.Equal(["a"], PthFile.Read(folder.Write("weights.pth", archive), remark => told = remark).Keys);
        Assert.Equal("The weights are those under 'encoder' of weights.pth, which holds 'step' (a number), 'lr' (a number), 'encoder' (a dictionary).", told);
    }

    internal static string Fixture(string name) => Repository.File("Curvature.Tests/Fixtures/pth/" + name);

    private static IReadOnlyDictionary<string, Tensor> Read(byte[] archive)
    {
        using var folder = new TemporaryFolder();
        return PthFile.Read(folder.Write("weights.pth", archive));
    }

    private static string Refusal(byte[] archive) => Assert.Throws<DataFormatException>(() => Read(archive)).Message;

    private static void AssertSame(nn.Module expected, nn.Module loaded)
    {
        Dictionary<string, Tensor> weights = loaded.state_dict();
        foreach ((string name, Tensor value) in expected.state_dict())
        {
            Assert.True(value.eq(weights[name]).all().ToBoolean(), name);
        }
    }

    private static string Show(Tensor tensor)
    {
        double[] elements = tensor.to(ScalarType.Float64).reshape(-1).data<double>().ToArray();
        return string.Join(' ', elements.Select(value => value.ToString("G9", System.Globalization.CultureInfo.InvariantCulture)));
    }
}
