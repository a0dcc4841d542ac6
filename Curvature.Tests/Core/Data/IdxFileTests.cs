using Curvature.Data;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Data;

public class IdxFileTests
{
    private static readonly byte[] Pixels = [0, 51, 102, 153, 204, 255, 10, 20];

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_pair_gives_images_between_0_and_1_with_a_channel(ScalarType type)
    {
        using Dataset data = ReadPair(SampleFiles.Idx([2, 2, 2], Pixels), SampleFiles.Gzip(SampleFiles.Idx([2], [7, 3])), type);
        Assert.Equal([2L, 1L, 2L, 2L], data.Inputs.shape);
        Assert.Equal(type, data.Inputs.dtype);
        using Tensor wide = data.Inputs.to(ScalarType.Float64);
        double[] values = wide.data<double>().ToArray();
        for (int i = 0; i < Pixels.Length; i++)
        {
            Assert.Equal(Pixels[i] / 255.0, values[i], type == ScalarType.Float64 ? 1e-16 : 1e-7);
        }

        Assert.Equal([7L, 3L], data.Targets.data<long>().ToArray());
    }

    [Fact]
    public void A_pair_in_the_wrong_order_says_so()
    {
        var error = Assert.Throws<DataFormatException>(() => ReadPair(SampleFiles.Idx([2], [7, 3]), SampleFiles.Idx([2, 2, 2], Pixels)));
        Assert.Contains("name the images first, then the labels", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unequal_numbers_of_images_and_labels_are_refused() =>
        Assert.Throws<DataFormatException>(() => ReadPair(SampleFiles.Idx([2, 2, 2], Pixels), SampleFiles.Idx([3], [7, 3, 1])));

    [Fact]
    public void One_file_of_a_pair_asks_for_the_other()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DataFormatException>(() => DataFile.Read(folder.Write("t10k-images-idx3-ubyte", SampleFiles.Idx([1], [1])), new DataOptions()));
        Assert.Contains("a pair IMAGES,LABELS", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_header_that_claims_terabytes_is_refused_before_memory_is_taken(bool zipped)
    {
        byte[] bytes = SampleFiles.Idx([int.MaxValue, 4096, 4096], Pixels);
        using var folder = new TemporaryFolder();
        string path = folder.Write("images", zipped ? SampleFiles.Gzip(bytes) : bytes);
        var error = Assert.Throws<DataFormatException>(() => IdxFile.Read(path));
        Assert.Contains("a header that claims [2147483647, 4096, 4096]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Other_element_types_are_refused()
    {
        byte[] bytes = SampleFiles.Idx([2, 2, 2], Pixels);
        bytes[2] = 0x0D;
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DataFormatException>(() => IdxFile.Read(folder.Write("images", bytes)));
        Assert.Contains("unsigned bytes (IDX type 8), got IDX type 13", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gzip_header_with_every_optional_field_is_skipped()
    {
        byte[] member = SampleFiles.Gzip(SampleFiles.Idx([2], [7, 3]));
        byte[] header = [0x1F, 0x8B, 8, 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 2, 0, 65, 66, .. "name\0comment\0"u8];
        using var folder = new TemporaryFolder();
        using Tensor labels = IdxFile.Read(folder.Write("labels", [.. header, .. member.AsSpan(10)]));
        Assert.Equal([7, 3], labels.data<byte>().ToArray());
    }

    private static Dataset ReadPair(byte[] images, byte[] labels, ScalarType type = ScalarType.Float32)
    {
        using var folder = new TemporaryFolder();
        return DataFile.Read(folder.Write("images", images) + "," + folder.Write("labels", labels), new DataOptions { InputType = type });
    }
}
