using Curvature.Checkpoints;
using Curvature.Data;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

public class DatFileTests
{
    /// <summary>What TorchSharp 0.105 writes for Linear(2, 1) with weights 1, 2 and bias 3.</summary>
    private static readonly byte[] Linear =
    [
        2,
        6, .. "weight"u8, 6, 2, 1, 2, .. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(2f),
        4, .. "bias"u8, 6, 1, 1, .. BitConverter.GetBytes(3f),
    ];

    [Fact]
    public void The_bytes_of_the_real_TorchSharp_are_read()
    {
        IReadOnlyDictionary<string, Tensor> tensors = Read(Linear);
        Assert.Equal(["weight", "bias"], tensors.Keys);
        Assert.Equal([1L, 2L], tensors["weight"].shape);
        Assert.Equal([1f, 2f], tensors["weight"].data<float>().ToArray());
        Assert.Equal([3f], tensors["bias"].data<float>().ToArray());
    }

    [Fact]
    public void What_a_module_saves_is_read()
    {
        using var folder = new TemporaryFolder();
        using var norm = nn.BatchNorm1d(3);
        norm.save(folder.File("norm.dat"));
        IReadOnlyDictionary<string, Tensor> tensors = DatFile.Read(folder.File("norm.dat"));
        Assert.Equal(norm.state_dict().Keys.Order(), tensors.Keys.Order());
        Assert.Equal(ScalarType.Int64, tensors["num_batches_tracked"].dtype);
    }

    [Fact]
    public void Cut_anywhere_it_is_one_clear_message()
    {
        for (int length = 0; length < Linear.Length; length++)
        {
            Assert.Throws<DataFormatException>(() => Read(Linear[..length]));
        }
    }

    [Fact]
    public void With_bytes_behind_its_end_it_is_one_clear_message()
    {
        var error = Assert.Throws<DataFormatException>(() => Read([.. Linear, 0]));
        Assert.Contains("got 1 more bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void With_any_byte_flipped_it_is_read_or_one_clear_message()
    {
        using nn.Module<Tensor, Tensor> model = nn.Linear(2, 1);
        using var folder = new TemporaryFolder();
        int refused = 0;
        for (int i = 0; i < Linear.Length; i++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                byte[] damaged = [.. Linear];
                damaged[i] ^= (byte)(1 << bit);
                try
                {
                    foreach (Tensor tensor in DatFile.Read(folder.Write("weights.dat", damaged)).Values)
                    {
                        tensor.Dispose();
                    }
                }
                catch (DataFormatException e)
                {
                    Assert.StartsWith(folder.File("weights.dat") + ": expected ", e.Message, StringComparison.Ordinal);
                    refused++;
                }
            }
        }

        // The elements are 12 of the 33 bytes and carry no checksum; most of the rest is structure.
        Assert.InRange(refused, 60, Linear.Length * 8);
    }

    [Theory]
    [InlineData(new byte[] { 1, 1, 65, 6, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 4 }, "the elements of 'A'")]
    [InlineData(new byte[] { 1, 1, 65, 6, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F }, "the elements of 'A'")]
    [InlineData(new byte[] { 1, 1, 65, 6, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F }, "a size of 'A'")]
    [InlineData(new byte[] { 1, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 65 }, "the name of a tensor")]
    [InlineData(new byte[] { 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1, 65, 6, 0 }, "the elements of 'A'")]
    [InlineData(new byte[] { 1, 1, 65, 9, 0 }, "with a known type")]
    [InlineData(new byte[] { 1, 1, 65, 6, 127 }, "with a known type")]
    [InlineData(new byte[] { 2, 1, 65, 0, 0, 7, 1, 65, 0, 0, 7 }, "of its own name")]
    public void Claims_that_the_file_does_not_hold_are_refused(byte[] bytes, string expected)
    {
        var error = Assert.Throws<DataFormatException>(() => Read(bytes));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    private static IReadOnlyDictionary<string, Tensor> Read(byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        return DatFile.Read(folder.Write("weights.dat", bytes));
    }
}
