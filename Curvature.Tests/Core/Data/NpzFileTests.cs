using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Curvature.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Data;

public class NpzFileTests
{
    private static readonly double[] Numbers = [1, 2, 3, 4, 5, 6];

    [Theory]
    [InlineData("<f4")]
    [InlineData("<f8")]
    [InlineData("<i8")]
    [InlineData("<i4")]
    [InlineData("<i2")]
    [InlineData("|i1")]
    [InlineData("|u1")]
    [InlineData(">f4")]
    [InlineData(">f8")]
    [InlineData(">i4")]
    [InlineData(">i2")]
    public void Every_element_type_gives_the_same_numbers(string descr)
    {
        using Tensor array = ReadNpy(SampleFiles.Npy(descr, "(2, 3)", Encode(descr)));
        Assert.Equal([2L, 3L], array.shape);
        Assert.Equal(Numbers, Values(array));
    }

    [Fact]
    public void What_is_written_is_read_back_and_the_same_bytes_each_time()
    {
        using var folder = new TemporaryFolder();
        using DisposeScope scope = NewDisposeScope();
        (string Name, Tensor Value)[] arrays =
        [
            ("a.weight", arange(6, ScalarType.Float32).reshape(2, 3)),
            ("transposed", arange(6, ScalarType.Float64).reshape(2, 3).t()),
            ("scalar", tensor(2.5)),
            ("empty", zeros(0, 3)),
            ("labels", arange(3, ScalarType.Int64)),
        ];
        NpzFile.Write(folder.File("a.npz"), arrays);
        NpzFile.Write(folder.File("b.npz"), arrays);
        IReadOnlyDictionary<string, Tensor> read = NpzFile.Read(folder.File("a.npz"));
        Assert.Equal(arrays.Select(array => array.Name), read.Keys);
        Assert.All(arrays, array =>
        {
            Assert.Equal((array.Value.dtype, string.Join(',', array.Value.shape)), (read[array.Name].dtype, string.Join(',', read[array.Name].shape)));
            Assert.True(array.Value.eq(read[array.Name]).all().ToBoolean(), array.Name);
        });
        Assert.Equal(File.ReadAllBytes(folder.File("a.npz")), File.ReadAllBytes(folder.File("b.npz")));
    }

    [Fact]
    public void A_type_that_numpy_lacks_is_refused_and_no_file_is_left()
    {
        using var folder = new TemporaryFolder();
        using Tensor half = zeros(2, ScalarType.BFloat16);
        var error = Assert.Throws<CurvatureException>(() => NpzFile.Write(folder.File("a.npz"), [("h", half)]));
        Assert.Contains("numpy has no type for bfloat16", error.Message, StringComparison.Ordinal);
        Assert.Empty(folder.Entries());
    }

    [Fact]
    public void Booleans_are_read_and_other_bytes_refused()
    {
        using Tensor array = ReadNpy(SampleFiles.Npy("|b1", "(3,)", new byte[] { 1, 0, 1 }));
        Assert.Equal(ScalarType.Bool, array.dtype);
        Assert.Equal([1.0, 0.0, 1.0], Values(array));
        Refused("booleans 0 or 1", SampleFiles.Npy("|b1", "(3,)", new byte[] { 1, 0, 2 }));
    }

    [Fact]
    public void Column_major_arrays_come_out_row_major()
    {
        using Tensor array = ReadNpy(SampleFiles.Npy("<f8", "(2, 3)", [1.0, 4, 2, 5, 3, 6], fortran: true));
        Assert.Equal([2L, 3L], array.shape);
        Assert.True(array.is_contiguous());
        Assert.Equal(Numbers, Values(array));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_version_of_the_header_is_read(byte version)
    {
        using Tensor array = ReadNpy(SampleFiles.Npy("<f8", "(6,)", Numbers, version: version));
        Assert.Equal(Numbers, Values(array));
    }

    [Fact]
    public void Scalars_and_empty_arrays_are_read()
    {
        using Tensor scalar = ReadNpy(SampleFiles.Npy("<f8", "()", [7.0]));
        Assert.Empty(scalar.shape);
        Assert.Equal(7, scalar.ToDouble());
        using Tensor empty = ReadNpy(SampleFiles.Npy<double>("<f8", "(0, 3)", []));
        Assert.Equal([0L, 3L], empty.shape);
    }

    [Theory]
    [InlineData("(1000000000000, 2)")]
    [InlineData("(9223372036854775807, 9223372036854775807)")]
    [InlineData("(99999999999999999999,)")]
    [InlineData("(0, 9223372036854775807, 4)")]
    [InlineData("(7,)")]
    [InlineData("(5,)")]
    public void A_shape_that_the_file_does_not_hold_is_refused_before_memory_is_taken(string shape)
    {
        long before = GC.GetTotalAllocatedBytes();
        Refused("expected", SampleFiles.Npy("<f8", shape, Numbers));
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 1 << 20);
    }

    [Theory]
    [InlineData("|O", "elements of type '|O'")]
    [InlineData("<U5", "elements of type '<U5'")]
    [InlineData("<c8", "elements of type '<c8'")]
    [InlineData("<u8", "elements of type '<u8'")]
    public void Elements_that_are_no_numbers_of_ours_are_refused(string descr, string got) => Refused(got, SampleFiles.Npy(descr, "(6,)", Numbers));

    [Theory]
    [InlineData("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }")]
    [InlineData("{'fortran_order': False, 'shape': (6,), }")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (-6,), }")]
    [InlineData("{'descr': '<f8', 'fortran_order': 0, 'shape': (6,), }")]
    [InlineData("__import__('os').system('true')")]
    public void A_header_that_is_none_is_refused(string header) =>
        Refused("a header with descr", SampleFiles.NpyWithHeader(header, MemoryMarshal.AsBytes<double>(Numbers).ToArray()));

    [Fact]
    public void A_target_column_is_refused()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("data.npz");
        NpzFile.Write(path, [("x", torch.ones(3, 2)), ("y", torch.ones(3))]);
        var error = Assert.Throws<DataFormatException>(() => DataFile.Read(path, new DataOptions { Target = "-1" }));
        Assert.Contains("leave out the target (--target)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Floating_inputs_keep_their_type_and_integer_targets_become_labels()
    {
        using Dataset data = ReadNpz(("x.npy", SampleFiles.Npy("<f4", "(3, 2)", [1f, 2, 3, 4, 5, 6])), ("y.npy", SampleFiles.Npy("|u1", "(3,)", new byte[] { 2, 0, 1 })));
        Assert.Equal(ScalarType.Float32, data.Inputs.dtype);
        Assert.Equal(ScalarType.Int64, data.Targets.dtype);
        Assert.Equal([2.0, 0, 1], Values(data.Targets));
    }

    [Fact]
    public void Integer_inputs_are_tokens_unless_a_scale_is_given()
    {
        (string, byte[])[] arrays = [("x.npy", SampleFiles.Npy("|u1", "(3,)", new byte[] { 2, 0, 255 })), ("y.npy", SampleFiles.Npy("<f8", "(3,)", [0.5, 1, 2]))];
        using Dataset tokens = ReadNpz(arrays);
        Assert.Equal(ScalarType.Int64, tokens.Inputs.dtype);
        Assert.Equal(ScalarType.Float64, tokens.Targets.dtype);
        using var folder = new TemporaryFolder();
        string path = folder.Write("data.npz", SampleFiles.Zip(true, arrays));
        using Dataset scaled = DataFile.Read(path, new DataOptions { Scale = 0.5, InputType = ScalarType.Float32 });
        Assert.Equal(ScalarType.Float32, scaled.Inputs.dtype);
        Assert.Equal([1, 0, 127.5], Values(scaled.Inputs));
    }

    [Fact]
    public void A_missing_array_is_named_with_those_that_are_there()
    {
        var error = Assert.Throws<DataFormatException>(() => ReadNpz(("images.npy", SampleFiles.Npy("<f8", "(6,)", Numbers))));
        Assert.Contains("expected an array 'x', got 'images'; save it with np.savez", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_and_headers_of_a_file_cannot_steer_the_terminal()
    {
        string name = "\u001b[2J\n" + new string('n', 10_000);
        var error = Assert.Throws<DataFormatException>(() => ReadNpz((name + ".npy", SampleFiles.Npy("<f8", "(6,)", Numbers))));
        Assert.Contains("got '?[2J?nnn", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(error.Message, char.IsControl);
        Assert.InRange(error.Message.Length, 0, 1000);
    }

    [Fact]
    public void Unequal_numbers_of_rows_are_refused_with_both_shapes()
    {
        var error = Assert.Throws<DataFormatException>(() => ReadNpz(
            ("x.npy", SampleFiles.Npy("<f8", "(3, 2)", Numbers)), ("y.npy", SampleFiles.Npy("<i8", "(2,)", [0L, 1L]))));
        Assert.Contains("inputs [3, 2] and targets [2]", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void Numbers_that_are_not_finite_are_reported_with_their_row(double bad)
    {
        var error = Assert.Throws<DataFormatException>(() => ReadNpz(
            ("x.npy", SampleFiles.Npy("<f8", "(3, 2)", [1, 2, 3, 4, bad, bad])), ("y.npy", SampleFiles.Npy("<i8", "(3,)", [0L, 1L, 1L]))));
        Assert.Contains("NaN or infinity in row 2 (counted from 0)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Large_finite_numbers_whose_sum_overflows_are_not_called_infinite()
    {
        using Dataset data = ReadNpz(
            ("x.npy", SampleFiles.Npy("<f8", "(2, 2)", [1e308, 1e308, 1e308, 1])), ("y.npy", SampleFiles.Npy("<i8", "(2,)", [0L, 1L])));
        Assert.Equal(2, data.Count);
    }

    [Fact]
    public void No_samples_are_refused()
    {
        var error = Assert.Throws<DataFormatException>(() => ReadNpz(
            ("x.npy", SampleFiles.Npy<double>("<f8", "(0, 2)", [])), ("y.npy", SampleFiles.Npy<long>("<i8", "(0,)", []))));
        Assert.Contains("at least 1 sample", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_entry_that_claims_terabytes_is_refused_before_memory_is_taken()
    {
        byte[] bytes = SampleFiles.Npz(deflated: true);
        int directory = bytes.AsSpan().IndexOf("PK\u0001\u0002"u8);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(directory + 24), 0xFFFFFFF0);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(22), 0xFFFFFFF0);
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<DataFormatException>(() => NpzFile.Read(folder.Write("data.npz", bytes)));
        Assert.Contains("fit the file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_decompression_bomb_stops_at_its_declared_length()
    {
        // 100 MB of zeros in 100 kB, declared as the 4 kB of its header's shape.
        byte[] bytes = SampleFiles.Zip(true, ("x.npy", [.. SampleFiles.Npy("<f8", "(500,)", new double[500]), .. new byte[100_000_000]]));
        int directory = bytes.AsSpan().IndexOf("PK\u0001\u0002"u8);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(directory + 24), 4128);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(22), 4128);
        using var folder = new TemporaryFolder();
        string path = folder.Write("data.npz", bytes);
        Assert.Throws<DataFormatException>(() => NpzFile.Read(path));
    }

    [Fact]
    public void Its_description_lists_names_types_shapes_and_bytes()
    {
        using var folder = new TemporaryFolder();
        FileContents contents = DataFile.Describe(folder.Write("data.npz", SampleFiles.Npz(deflated: true)));
        Assert.Equal("npz", contents.Format);
        Assert.Equal(64, contents.Sha256.Length);
        Assert.Equal(["x float32 3 2 24", "y int64 3 24", "more float64 4 32"], contents.Entries.Select(Line));
    }

    private static string Line(ArrayEntry entry) => $"{entry.Name} {entry.DType} {string.Join(' ', entry.Shape)} {entry.Bytes}";

    private static Dataset ReadNpz(params (string Name, byte[] Contents)[] arrays)
    {
        using var folder = new TemporaryFolder();
        return DataFile.Read(folder.Write("data.npz", SampleFiles.Zip(deflated: true, arrays)), new DataOptions());
    }

    private static Tensor ReadNpy(byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        return NpyFile.Read(folder.Write("array.npy", bytes));
    }

    private static void Refused(string message, byte[] bytes)
    {
        var error = Assert.Throws<DataFormatException>(() => ReadNpy(bytes));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    private static double[] Values(Tensor tensor)
    {
        using Tensor wide = tensor.to(ScalarType.Float64);
        return wide.data<double>().ToArray();
    }

    private static byte[] Encode(string descr)
    {
        byte[] bytes = descr[1..] switch
        {
            "f4" => Bytes(Numbers.Select(n => (float)n).ToArray()),
            "f8" => Bytes(Numbers),
            "i8" => Bytes(Numbers.Select(n => (long)n).ToArray()),
            "i4" => Bytes(Numbers.Select(n => (int)n).ToArray()),
            "i2" => Bytes(Numbers.Select(n => (short)n).ToArray()),
            _ => [.. Numbers.Select(n => (byte)n)],
        };
        int size = bytes.Length / Numbers.Length;
        return descr[0] == '>' ? [.. bytes.Chunk(size).SelectMany(element => element.Reverse())] : bytes;
    }

    private static byte[] Bytes<T>(T[] values) where T : unmanaged => MemoryMarshal.AsBytes<T>(values).ToArray();
}
