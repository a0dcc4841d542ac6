using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static Curvature.Tests.Compat.Oracle;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Curvature.Tests.Compat;

/// <summary>TorchSharp's own weight files, byte by byte, and state dictionaries.</summary>
public sealed class DatFormatTests
{
    /// <summary>Linear(2, 1) with weight [1, 2] and bias [-1].</summary>
    private static readonly byte[] File =
    [
        0x02,
        0x06, .. "weight"u8, 0x06, 0x02, 0x01, 0x02, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40,
        0x04, .. "bias"u8, 0x06, 0x01, 0x01, 0, 0, 0x80, 0xBF,
    ];

    [Fact]
    public void A_linear_layer_is_written_byte_by_byte() =>
        Assert.Equal(File, Saved(Linear(new Parameter(tensor(new float[,] { { 1, 2 } })), new Parameter(tensor(new float[] { -1 })))));

    [Fact]
    public void A_linear_layer_is_read_back()
    {
        using var layer = Linear(2, 1);

        layer.load(new MemoryStream(File));

        Same([1, 2], layer.weight);
        Same([-1], layer.bias!);
        Assert.True(layer.weight.is_leaf && layer.weight.requires_grad);
    }

    [Fact]
    public void Everything_survives_a_round_trip()
    {
        using var from = Gridded(Sequential(("norm", BatchNorm1d(3)), ("linear", Linear(3, 2, hasBias: false))));
        from.call(Grid(4, 3));
        using var to = Sequential(("norm", BatchNorm1d(3)), ("linear", Linear(3, 2, hasBias: false))).to(float64);

        to.load(new MemoryStream(Saved(from)));

        foreach (var (name, value) in from.state_dict())
        {
            Same(value.to(float64).flatten().data<double>().ToArray(), to.state_dict()[name], 0);
        }
        Assert.Equal(1, to.get_buffer("norm.num_batches_tracked")!.item<long>());
    }

    [Fact]
    public void Files_on_disk_work_and_long_names_and_shapes_take_more_than_a_byte()
    {
        string path = Path.GetTempFileName();
        string name = new('n', 300);
        using var from = Sequential((name, Linear(200, 1)));
        using var to = Sequential((name, Linear(200, 1)));

        from.save(path);
        to.load(path);

        Same(from.parameters().First().data<float>().ToArray().Select(v => (double)v).ToArray(), to.parameters().First(), 0);
        System.IO.File.Delete(path);
    }

    [Fact]
    public void A_file_must_fit_the_module()
    {
        Assert.ThrowsAny<ArgumentException>(() => Linear(3, 1).load(new MemoryStream(File)));
        Assert.ThrowsAny<ArgumentException>(() => Linear(2, 1).to(float64).load(new MemoryStream(File)));
        Assert.ThrowsAny<ArgumentException>(() => Linear(2, 1, hasBias: false).load(new MemoryStream(File)));
        Assert.ThrowsAny<ArgumentException>(() => Sequential(Linear(2, 1)).load(new MemoryStream(File)));
    }

    [Fact]
    public void Without_strictness_what_fits_is_loaded_and_told()
    {
        using var layer = Linear(2, 1, hasBias: false);
        var loaded = new Dictionary<string, bool>();

        layer.load(new MemoryStream(File), strict: false, loadedParameters: loaded);

        Same([1, 2], layer.weight);
        Assert.Equal((true, false), (loaded["weight"], loaded["bias"]));
    }

    [Fact]
    public void What_is_skipped_stays()
    {
        using var layer = Linear(2, 1);
        init.zeros_(layer.bias!);

        layer.load(new MemoryStream(File), skip: ["bias"]);

        Same([1, 2, 0], cat([layer.weight.flatten(), layer.bias!]));
        Assert.Equal(File[..20], [2, .. Saved(layer, ["bias"])[1..]]);
    }

    [Fact]
    public void Every_shorter_file_is_refused()
    {
        for (int length = 0; length < File.Length; length++)
        {
            byte[] part = File[..length];
            Assert.ThrowsAny<Exception>(() => Linear(2, 1).load(new MemoryStream(part)));
        }
    }

    [Theory]
    [InlineData("02FFFFFFFF07")]                                 // a name of 2 GB
    [InlineData("0206776569676874062001")]                       // 32 dimensions
    [InlineData("0206776569676874060201FFFFFFFFFFFFFFFF7F")]     // a dimension of 2^63 - 1
    [InlineData("0206776569676874630201020000803F00000040")]     // element type 99
    [InlineData("FFFFFFFFFFFFFFFFFFFFFF01")]                     // a count of more than 64 bits
    public void Lies_are_refused_without_memory_for_them(string hex) =>
        Assert.ThrowsAny<Exception>(() => Linear(2, 1).load(new MemoryStream(Convert.FromHexString(hex))));

    [Fact]
    public void A_state_dictionary_is_copied_in()
    {
        using var from = Gridded(Linear(2, 1));
        using var to = Linear(2, 1);
        var weight = to.weight;

        var (missing, unexpected) = to.load_state_dict(from.state_dict());

        Assert.Empty(missing.Concat(unexpected));
        Assert.Same(weight, to.weight);
        Same([-1.25, 0.5], to.weight);
        Assert.Equal(ScalarType.Float32, to.weight.dtype);
    }

    [Fact]
    public void A_state_dictionary_of_other_names_is_refused_or_reported()
    {
        using var to = Linear(2, 1, hasBias: false);
        using var other = Sequential(Linear(2, 1));

        Assert.Throws<InvalidOperationException>(() => to.load_state_dict(other.state_dict()));
        var (missing, unexpected) = to.load_state_dict(other.state_dict(), strict: false);

        Assert.Equal(["weight"], missing);
        Assert.Equal(["0.weight", "0.bias"], unexpected);
    }

    private static byte[] Saved(Module module, string[]? skip = null)
    {
        using var stream = new MemoryStream();
        module.save(stream, skip);
        return stream.ToArray();
    }
}
