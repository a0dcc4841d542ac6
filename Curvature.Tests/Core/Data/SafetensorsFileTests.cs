using System.Runtime.InteropServices;
using Curvature.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Data;

public class SafetensorsFileTests
{
    private static readonly byte[] SixFloats = MemoryMarshal.AsBytes<float>([1f, 2, 3, 4, 5, 6]).ToArray();

    [Fact]
    public void What_is_written_is_read_back_bit_by_bit()
    {
        using DisposeScope scope = NewDisposeScope();
        (string, Tensor)[] tensors =
        [
            ("fc.weight", tensor([1f, -2.5f, float.Epsilon, float.MaxValue, 0f, 3f]).reshape(2, 3)),
            ("fc.bias", tensor([0.1, 0.2])),
            ("steps", tensor(12L)),
            ("mask", tensor([true, false, true])),
            ("transposed", tensor([1f, 2, 3, 4, 5, 6]).reshape(2, 3).t()),
            ("half", tensor([1f, 2.5f]).to(ScalarType.Float16)),
            ("empty", empty([0, 3], ScalarType.Float32)),
        ];
        using var folder = new TemporaryFolder();
        string path = folder.File("weights.safetensors");
        SafetensorsFile.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        IReadOnlyDictionary<string, Tensor> read = SafetensorsFile.Read(path);
        Assert.Equal(tensors.Select(entry => entry.Item1).Order(), read.Keys.Order());
        foreach ((string name, Tensor value) in tensors)
        {
            Assert.Equal(value.dtype, read[name].dtype);
            Assert.Equal(value.shape, read[name].shape);
            Assert.True(value.eq(read[name]).all().ToBoolean(), name);
            read[name].Dispose();
        }
    }

    [Fact]
    public void The_data_start_at_a_multiple_of_eight()
    {
        using var folder = new TemporaryFolder();
        using Tensor value = tensor([1f]);
        for (int length = 1; length < 10; length++)
        {
            string path = folder.File("a.safetensors");
            SafetensorsFile.Write(path, [(new string('n', length), value)]);
            Assert.Equal(4, new FileInfo(path).Length % 8);
        }
    }

    [Theory]
    [InlineData("""{"x":{"dtype":"F32","shape":[1000000000000,3],"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[-2,-3],"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,9223372036854775807]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[-24,0]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[24,0]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[20,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"y":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"x":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}""")]
    [InlineData("""{"x":{"dtype":"F33","shape":[2,3],"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":32,"shape":[2,3],"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2.5,3],"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":6,"data_offsets":[0,24]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24,48]}}""")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2,3]}}""")]
    [InlineData("""{"x":[]}""")]
    [InlineData("""["x"]""")]
    [InlineData("""{"x":""")]
    [InlineData("{{{{{{{{{{{{{{{{{{{{")]
    [InlineData("{}")]
    public void A_header_that_does_not_fit_is_one_clear_message(string header)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("data.safetensors", SampleFiles.Safetensors(header, SixFloats));
        var error = Assert.Throws<DataFormatException>(() => SafetensorsFile.Read(path));
        Assert.StartsWith(path + ": expected ", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(-1)]
    [InlineData(1)]
    [InlineData(1L << 40)]
    public void A_header_length_beyond_the_file_is_refused(long length)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("data.safetensors", [.. BitConverter.GetBytes(length), .. SixFloats]);
        Assert.Throws<DataFormatException>(() => SafetensorsFile.Read(path));
    }

    [Fact]
    public void A_type_that_tensors_lack_is_listed_but_not_read()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("data.safetensors", SampleFiles.Safetensors("""{"x":{"dtype":"U32","shape":[6],"data_offsets":[0,24]}}""", SixFloats));
        Assert.Equal("U32", Assert.Single(SafetensorsFile.Describe(path)).DType);
        var error = Assert.Throws<DataFormatException>(() => SafetensorsFile.Read(path));
        Assert.Contains("got U32; convert it to F32", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_name_is_reported_with_those_that_are_there()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("data.safetensors", SampleFiles.Safetensors("""{"w":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}""", SixFloats));
        var error = Assert.Throws<DataFormatException>(() => DataFile.Read(path, new DataOptions()));
        Assert.Contains("expected a tensor 'x', got 'w'", error.Message, StringComparison.Ordinal);
    }
}
