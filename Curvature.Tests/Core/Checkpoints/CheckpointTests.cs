using Curvature.Checkpoints;
using Curvature.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

public class CheckpointTests
{
    [Theory]
    [InlineData("digits-mlp", "safetensors")]
    [InlineData("digits-mlp", "dat")]
    [InlineData("lenet", "safetensors")]
    [InlineData("lenet", "dat")]
    [InlineData("resnet20", "safetensors")]
    [InlineData("resnet20", "dat")]
    public void Weights_come_back_bit_by_bit(string network, string format)
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create(network);
        string path = Save(folder, saved, format);
        using LoadedModel loaded = Checkpoint.Load(path, network);
        Assert.Equal(path, loaded.Path);
        Assert.Equal(format == "dat" ? "TorchSharp .dat" : "safetensors", loaded.Format);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path))), loaded.Sha256);
        Assert.False(loaded.Module.training);
        Assert.IsType(saved.GetType(), loaded.Module);
        Dictionary<string, Tensor> weights = loaded.Module.state_dict();
        foreach ((string name, Tensor value) in saved.state_dict())
        {
            Assert.True(value.eq(weights[name]).all().ToBoolean(), name);
            Assert.Equal(value.requires_grad, weights[name].requires_grad);
        }
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("dat")]
    public void Float64_weights_make_a_float64_model(string format)
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp").to(ScalarType.Float64);
        using LoadedModel loaded = Checkpoint.Load(Save(folder, saved, format), "digits-mlp");
        Assert.All(loaded.Module.parameters(), parameter => Assert.Equal(ScalarType.Float64, parameter.dtype));
        Assert.True(saved.parameters().First().eq(loaded.Module.parameters().First()).all().ToBoolean());
    }

    [Fact]
    public void Half_precision_weights_are_widened()
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp").to(ScalarType.BFloat16);
        using LoadedModel loaded = Checkpoint.Load(Save(folder, saved, "safetensors"), "digits-mlp");
        Assert.All(loaded.Module.parameters(), parameter => Assert.Equal(ScalarType.Float32, parameter.dtype));
    }

    [Fact]
    public void A_type_asked_for_is_given()
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        using LoadedModel loaded = Checkpoint.Load(Save(folder, saved, "safetensors"), "digits-mlp", ScalarType.Float64, CPU);
        using Tensor input = zeros(1, 64, ScalarType.Float64);
        using Tensor output = ((nn.IModule<Tensor, Tensor>)loaded.Module).call(input);
        Assert.Equal(ScalarType.Float64, output.dtype);
    }

    [Fact]
    public void A_model_outlives_the_scope_that_it_was_loaded_in()
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        string path = Save(folder, saved, "safetensors");
        LoadedModel loaded;
        using (NewDisposeScope())
        {
            loaded = Checkpoint.Load(path, "digits-mlp", ScalarType.Float64);
        }

        Assert.Equal(2410, loaded.Module.parameters().Sum(parameter => parameter.numel()));
        loaded.Dispose();
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("dat")]
    public void Weights_of_another_network_list_what_differs(string format)
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(Save(folder, saved, format), "lenet"));
        Assert.Contains(
            "expected the 10 tensors of LeNet, got missing: conv1.weight, conv1.bias, conv2.weight, conv2.bias, fc3.weight, fc3.bias; name the model type",
            error.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Unexpected_names_and_other_shapes_and_types_are_listed()
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        var weights = saved.state_dict();
        string path = folder.File("weights.safetensors");
        SafetensorsFile.Write(path, [.. weights.Select(entry => (entry.Key, entry.Value)), ("extra", zeros(2))]);
        Assert.Contains("got unexpected: extra; ", Assert.Throws<DataFormatException>(() => Checkpoint.Load(path, "digits-mlp")).Message, StringComparison.Ordinal);

        weights["fc1.bias"] = zeros(31);
        weights["fc2.bias"] = zeros(10, ScalarType.Int64);
        SafetensorsFile.Write(path, weights.Select(entry => (entry.Key, entry.Value)));
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(path, "digits-mlp"));
        Assert.Contains(
            "different: fc1.bias is float32 [31] instead of float32 [32], fc2.bias is int64 [10] instead of float32 [10];",
            error.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("module.")]
    [InlineData("_orig_mod.")]
    public void The_prefix_of_a_wrapper_is_left_out_and_a_remark_says_so(string prefix)
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        string path = folder.File("weights.safetensors");
        SafetensorsFile.Write(path, saved.state_dict().Select(entry => (prefix + entry.Key, entry.Value)));
        using LoadedModel loaded = Checkpoint.Load(path, "digits-mlp");
        Assert.True(saved.parameters().First().eq(loaded.Module.parameters().First()).all().ToBoolean());
        Assert.Contains($"starts with '{prefix}'", Assert.Single(loaded.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public void A_prefix_that_the_model_has_itself_stays()
    {
        using var folder = new TemporaryFolder();
        using var saved = new NetOfModule();
        using LoadedModel loaded = Checkpoint.Load(Save(folder, saved, "safetensors"), $"{typeof(NetOfModule).Assembly.Location}!{typeof(NetOfModule).FullName}");
        Assert.True(saved.parameters().First().eq(loaded.Module.parameters().First()).all().ToBoolean());
        Assert.Empty(loaded.Remarks);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_weight_that_is_not_finite_is_named(float bad)
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        using (no_grad())
        {
            saved.get_parameter("fc2.weight")![3, 4] = tensor(bad);
        }

        var error = Assert.Throws<NonFiniteException>(() => Checkpoint.Load(Save(folder, saved, "safetensors"), "digits-mlp"));
        Assert.Contains("NaN or infinity in 'fc2.weight'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_without_a_model_type_say_how_to_name_one()
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        var error = Assert.Throws<CurvatureException>(() => Checkpoint.Load(Save(folder, saved, "safetensors")));
        Assert.Contains("--model-type): Assembly.dll!Namespace.Type, or one of digits-mlp, lenet, resnet20", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.pt")]
    [InlineData("weights.safetensors")]
    [InlineData("weights.dat")]
    public void An_absent_file_is_one_clear_message(string name)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(folder.File(name), "lenet"));
        Assert.Contains("got nothing of that name", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_another_kind_is_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(folder.Write("model.pt", "hello")));
        Assert.Contains("save the model with torch.jit.script(model).save(file)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("dat")]
    public void A_description_needs_no_model_type(string format)
    {
        using var folder = new TemporaryFolder();
        using nn.Module<Tensor, Tensor> saved = KnownNetworks.Create("digits-mlp");
        FileContents contents = Checkpoint.Describe(Save(folder, saved, format));
        Assert.Equal(
            ["fc1.weight float32 32x64 8192", "fc1.bias float32 32 128", "fc2.weight float32 10x32 1280", "fc2.bias float32 10 40"],
            contents.Entries.Select(entry => $"{entry.Name} {entry.DType} {string.Join('x', entry.Shape)} {entry.Bytes}"));
    }

    [Fact]
    public void The_committed_digits_checkpoint_is_accurate_on_the_committed_digits()
    {
        using LoadedModel loaded = Checkpoint.Load(Repository.File("data/digits-mlp.safetensors"), "digits-mlp");
        using Dataset digits = DataFile.Read(
            Repository.File("data/digits.csv.gz"), new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using DisposeScope scope = NewDisposeScope();
        Tensor scores = ((nn.IModule<Tensor, Tensor>)loaded.Module).call(digits.Inputs);
        Assert.InRange(scores.argmax(1).eq(digits.Targets).to(ScalarType.Float64).mean().ToDouble(), 0.95, 1);
    }

    private static string Save(TemporaryFolder folder, nn.Module module, string format)
    {
        string path = folder.File("weights." + format);
        if (format == "dat")
        {
            module.save(path);
        }
        else
        {
            SafetensorsFile.Write(path, module.state_dict().Select(entry => (entry.Key, entry.Value)));
        }

        return path;
    }
}
