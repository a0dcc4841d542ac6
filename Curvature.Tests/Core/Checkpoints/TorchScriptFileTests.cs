using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Tests.Core.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

public class TorchScriptFileTests
{
    private static readonly byte[] Whole = File.ReadAllBytes(Fixture("tiny.pt"));

    public static TheoryData<string, string[]> Names => new()
    {
        { "mlp-scripted-f32.pt", ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight", "fc3.bias"] },
        {
            "conv-traced-f64.pt",
            [
                "conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "conv2.weight", "conv2.bias", "bn2.weight", "bn2.bias", "fc.weight", "fc.bias",
                "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked", "bn2.running_mean", "bn2.running_var", "bn2.num_batches_tracked",
            ]
        },
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void A_model_of_PyTorch_is_loaded_with_its_names(string file, string[] names)
    {
        using LoadedModel loaded = Checkpoint.Load(Fixture(file));
        Assert.Equal("TorchScript", loaded.Format);
        Assert.False(loaded.Module.training);
        Assert.Equal(
            names.Order(), loaded.Module.named_parameters().Select(p => p.name).Concat(loaded.Module.named_buffers().Select(b => b.name)).Order());
        Assert.Equal(names.Order(), Checkpoint.Describe(Fixture(file)).Entries.Select(entry => entry.Name).Order());
    }

    [Fact]
    public void A_model_type_beside_it_is_refused()
    {
        var error = Assert.Throws<CurvatureException>(() => Checkpoint.Load(Fixture("mlp-scripted-f32.pt"), "lenet"));
        Assert.Contains("brings its own network", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_type_asked_for_is_given()
    {
        using LoadedModel loaded = Checkpoint.Load(Fixture("mlp-scripted-f32.pt"), dtype: ScalarType.Float64);
        using Tensor input = zeros(2, 6, ScalarType.Float64);
        using Tensor output = ((nn.IModule<Tensor, Tensor>)loaded.Module).call(input);
        Assert.Equal(ScalarType.Float64, output.dtype);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, "bfloat16")]
    [InlineData(ScalarType.Float16, "float16")]
    public void A_model_in_half_precision_is_computed_with_in_float32_and_that_is_said(ScalarType half, string name)
    {
        using var folder = new TemporaryFolder();
        using jit.ScriptModule<Tensor, Tensor> model = jit.load<Tensor, Tensor>(Fixture("mlp-scripted-f32.pt"));
        model.to(half);
        jit.save(model, folder.File("half.pt"));
        using LoadedModel loaded = Checkpoint.Load(folder.File("half.pt"));
        Assert.All(loaded.Module.parameters(), parameter => Assert.Equal(ScalarType.Float32, parameter.dtype));
        Assert.Equal($"Weights in half.pt are {name}: their values are kept, and computed with in float32.", Assert.Single(loaded.Remarks));
        Assert.Equal(model.named_parameters().First().parameter.to(ScalarType.Float32), loaded.Module.named_parameters().First().parameter, (a, b) => a.Equals(b));
        Assert.Equal(name, Checkpoint.Describe(folder.File("half.pt")).Entries[0].DType);
        using LoadedModel asked = Checkpoint.Load(folder.File("half.pt"), dtype: half);
        Assert.Equal((half, 0), (asked.Module.parameters().First().dtype, asked.Remarks.Count));
    }

    [Fact]
    public void Half_precision_beside_float64_is_computed_with_in_float64()
    {
        using jit.ScriptModule<Tensor, Tensor> model = jit.load<Tensor, Tensor>(Fixture("mixed-half.pt"));
        using LoadedModel loaded = Checkpoint.Load(Fixture("mixed-half.pt"));
        Assert.EndsWith("mixed-half.pt are float16: their values are kept, and computed with in float64.", Assert.Single(loaded.Remarks), StringComparison.Ordinal);
        Assert.All(model.named_parameters().Zip(loaded.Module.named_parameters()), pair => Assert.True(pair.First.parameter.to(ScalarType.Float64).Equals(pair.Second.parameter)));
        using Tensor output = ((nn.IModule<Tensor, Tensor>)loaded.Module).call(ones([1, 3], ScalarType.Float64));
        Assert.Equal(ScalarType.Float64, output.dtype);
    }

    [Fact]
    public void Cut_anywhere_it_is_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        for (int length = 0; length < Whole.Length; length += length < 100 || length > Whole.Length - 200 ? 1 : 37)
        {
            string path = folder.Write("model.pt", Whole[..length]);
            var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(path));
            Assert.StartsWith(path + ": expected ", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void With_any_bit_flipped_it_is_the_same_model_or_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        using Tensor input = arange(12, ScalarType.Float64).reshape(4, 3);
        double[] expected = Outputs(folder.Write("model.pt", Whole), input);
        int refused = 0;
        for (int bit = 0; bit < 8 * Whole.Length; bit++)
        {
            byte[] damaged = [.. Whole];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            string path = folder.Write("model.pt", damaged);
            try
            {
                double[] outputs = Outputs(path, input);
                Assert.True(expected.SequenceEqual(outputs), $"bit {bit % 8} of byte {bit / 8} changed the outputs");
            }
            catch (DataFormatException e)
            {
                Assert.StartsWith(path + ": expected ", e.Message, StringComparison.Ordinal);
                refused++;
            }
        }

        // What is left is padding, time stamps and other fields that nobody reads.
        Assert.InRange(refused, 4 * Whole.Length, 8 * Whole.Length);
    }

    [Fact]
    public void What_libtorch_refuses_shows_its_cause_in_one_line()
    {
        using var folder = new TemporaryFolder();
        byte[] zip = SampleFiles.Zip(
            false,
            ("m/data.pkl", "not a pickle"u8.ToArray()),
            ("m/constants.pkl", "nor this"u8.ToArray()),
            ("m/code/__torch__.py", "def"u8.ToArray()),
            ("m/version", "3\n"u8.ToArray()));
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(folder.Write("model.pt", zip)));
        Assert.Contains("expected a TorchScript model, got libtorch's \"", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void An_archive_of_other_things_is_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DataFormatException>(() => Checkpoint.Load(folder.Write("data.pt", SampleFiles.Npz(deflated: false))));
        Assert.Contains("got a zip archive of other things", error.Message, StringComparison.Ordinal);
    }

    internal static string Fixture(string name) => Repository.File("Curvature.Tests/Fixtures/torchscript/" + name);

    private static double[] Outputs(string path, Tensor input)
    {
        using LoadedModel loaded = Checkpoint.Load(path);
        using Tensor output = ((nn.IModule<Tensor, Tensor>)loaded.Module).call(input);
        return output.data<double>().ToArray();
    }
}
