using System.Runtime.InteropServices;
using System.Text;
using Curvature.Data;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Data;

/// <summary>Some rows of a file are those of the whole file, and only where the format has no places for them is more than them read.</summary>
public sealed class SampleFileTests : IDisposable
{
    private const int Rows = 7;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("stored.npz")]
    [InlineData("deflated.npz")]
    [InlineData("columns.npz")]
    [InlineData("big-endian.npz")]
    [InlineData("a.safetensors")]
    [InlineData("idx")]
    [InlineData("idx.gz")]
    [InlineData("a.csv")]
    [InlineData("reals.csv.gz")]
    public void Rows_are_those_of_the_whole_file_in_the_order_asked_for(string kind)
    {
        string file = Write(kind);
        DataOptions options = new() { Scale = 0.5, Target = kind.Contains("csv", StringComparison.Ordinal) ? "0" : null };
        using Dataset whole = DataFile.Read(file, options);
        SampleFile some = DataFile.Open(file, options);
        some.Verify();
        Assert.Equal(Rows, some.Count);
        foreach (long[] rows in (long[][])[[0, 1, 2, 3, 4, 5, 6], [2, 3, 4], [6], [5, 0, 1, 2, 4], [6, 5, 4]])
        {
            using Dataset read = some.Read(rows), expected = whole.Select(rows);
            Assert.Equal((expected.Inputs.dtype, expected.Targets.dtype), (read.Inputs.dtype, read.Targets.dtype));
            Assert.True(expected.Inputs.Equals(read.Inputs) && expected.Targets.Equals(read.Targets), kind);
        }

        Assert.Contains("expected at least one row from 0 to 6; got 7", Assert.Throws<CurvatureException>(() => some.Read([0, 7])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stored.npz")]
    [InlineData("a.safetensors")]
    [InlineData("idx.gz")]
    [InlineData("reals.csv.gz")]
    public void Batches_of_a_file_are_those_of_the_whole_in_each_pass(string kind)
    {
        string file = Write(kind);
        using Dataset whole = DataFile.Read(file, new DataOptions());
        IEnumerable<Batch> batches = DataFile.Open(file, new DataOptions()).Batches(3);
        for (int pass = 0; pass < 2; pass++)
        {
            foreach ((Batch expected, Batch batch) in whole.Batches(3).Zip(batches))
            {
                Assert.True(expected.Inputs.Equals(batch.Inputs) && expected.Targets.Equals(batch.Targets), kind);
            }

            Assert.Equal(3, batches.Count());
        }

        Assert.Contains("got 0", Assert.Throws<CurvatureException>(() => DataFile.Open(file, new DataOptions()).Batches(0)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("images.npz")]
    [InlineData("images.safetensors")]
    [InlineData("idx")]
    public void Sixty_thousand_images_pass_through_the_memory_of_one_batch(string kind)
    {
        const int Images = 60_000, Pixels = 28 * 28, Size = 1000;
        string file = WriteImages(kind, Images);
        List<double> heights = [];
        long seen = 0, sum = 0;
        foreach ((int index, Batch batch) in DataFile.Open(file, new DataOptions { Scale = 1.0 / 255 }).Batches(Size).Index())
        {
            seen += batch.Inputs.shape[0];
            sum += batch.Targets.sum().ToInt64();
            if (index % 10 == 9)
            {
                heights.Add((NativeHeap.Allocated() + GC.GetTotalMemory(true)) / (Size * Pixels * 4.0)); // in batches of float32
            }
        }

        Assert.Equal((Images, Images / 10 * 45), (seen, sum));
        Assert.InRange(heights.Max() - heights.Min(), 0, 4); // of 60; the runtime takes a few MiB beside it now and then
    }

    [Fact]
    public void A_share_of_a_file_that_no_memory_holds_is_read_without_the_rest()
    {
        const long Many = 1L << 20, Wide = 1L << 18; // 1 TiB, of which the disk holds a few pages
        string file = _folder.File("large.safetensors"), header = $"{{\"x\":{{\"dtype\":\"F32\",\"shape\":[{Many},{Wide}],\"data_offsets\":[0,{4 * Many * Wide}]}},\"y\":{{\"dtype\":\"U8\",\"shape\":[{Many}],\"data_offsets\":[{4 * Many * Wide},{(4 * Many * Wide) + Many}]}}}}";
        using (FileStream stream = File.Create(file))
        {
            stream.Write(BitConverter.GetBytes((long)header.Length));
            stream.Write(Encoding.ASCII.GetBytes(header));
            long start = stream.Position;
            stream.SetLength(start + (4 * Many * Wide) + Many);
            stream.Position = start + (4 * ((1000 * Wide) + 5));
            stream.Write(BitConverter.GetBytes(2.5f));
        }

        Assert.Contains("data that fit into", Assert.Throws<DataFormatException>(() => DataFile.Read(file, new DataOptions()).Dispose()).Message, StringComparison.Ordinal);
        using Dataset share = DataFile.Open(file, new DataOptions()).Read([999, 1000]);
        Assert.Equal((2.5f, 2.5f), (share.Inputs[1, 5].ToSingle(), share.Inputs.sum().ToSingle()));
    }

    [Fact]
    public void A_row_that_is_damaged_troubles_those_who_read_it_and_the_one_who_compares_checksums()
    {
        byte[] npz = File.ReadAllBytes(Write("stored.npz"));
        int at = npz.AsSpan().IndexOf(MemoryMarshal.AsBytes<float>([12f])); // of row 6
        float[] bad = [float.NaN];
        MemoryMarshal.AsBytes<float>(bad).CopyTo(npz.AsSpan(at));
        SampleFile file = DataFile.Open(_folder.Write("bad.npz", npz), new DataOptions());
        file.Read([0, 5]).Dispose();
        Assert.Contains("NaN or infinity in row 6", Assert.Throws<DataFormatException>(() => file.Read([5, 6])).Message, StringComparison.Ordinal);
        Assert.Contains("checksum", Assert.Throws<DataFormatException>(file.Verify).Message, StringComparison.Ordinal);
        Assert.Throws<DataFormatException>(() => DataFile.Read(_folder.File("bad.npz"), new DataOptions()));
    }

    [Fact]
    public void A_csv_file_is_looked_at_as_a_whole_by_everyone()
    {
        Assert.Contains("line 3", Assert.Throws<DataFormatException>(() => DataFile.Open(_folder.Write("a.csv", "1,2\n3,4\n5,x\n"u8.ToArray()), new DataOptions())).Message, StringComparison.Ordinal);
        using Dataset first = DataFile.Open(_folder.Write("b.csv", "1,2\n3,4\n5,0.5\n"u8.ToArray()), new DataOptions()).Read([0, 1]);
        Assert.Equal(ScalarType.Float64, first.Targets.dtype); // not labels, for the last one is none
        Assert.Throws<DataFormatException>(() => DataFile.Open(_folder.Write("c.csv", "1\n2\n"u8.ToArray()), new DataOptions()));
    }

    [Theory]
    [InlineData("1,2\n3,4\n")]
    [InlineData("1,2\n3,4\n5,6\n7,8\n")]
    [InlineData("1,2,3\n4,5,6\n7,8,9\n")]
    public void A_csv_file_that_was_cut_or_grew_after_it_was_opened_is_refused(string changed)
    {
        SampleFile file = DataFile.Open(_folder.Write("a.csv", "1,2\n3,4\n5,6\n"u8.ToArray()), new DataOptions());
        File.WriteAllText(_folder.File("a.csv"), changed);
        Assert.Contains("3 lines of 2 numbers", Assert.Throws<DataFormatException>(() => file.Read([0, 2]).Dispose()).Message, StringComparison.Ordinal);
    }

    /// <summary>Images of 28 x 28 bytes with labels that count up to 9 and begin again.</summary>
    private string WriteImages(string kind, int count)
    {
        byte[] pixels = new byte[count * 28 * 28], labels = [.. Enumerable.Range(0, count).Select(i => (byte)(i % 10))];
        return kind switch
        {
            "images.npz" => _folder.Write(kind, SampleFiles.Zip(false, ("x.npy", SampleFiles.Npy("|u1", $"({count}, 1, 28, 28)", pixels)), ("y.npy", SampleFiles.Npy("|u1", $"({count},)", labels)))),
            "images.safetensors" => _folder.Write(kind, SampleFiles.Safetensors(
                $$$"""{"x":{"dtype":"U8","shape":[{{{count}}},1,28,28],"data_offsets":[0,{{{pixels.Length}}}]},"y":{"dtype":"U8","shape":[{{{count}}}],"data_offsets":[{{{pixels.Length}}},{{{pixels.Length + count}}}]}}""", [.. pixels, .. labels])),
            _ => $"{_folder.Write("images-idx3-ubyte", SampleFiles.Idx([count, 28, 28], pixels))},{_folder.Write("labels-idx1-ubyte", SampleFiles.Idx([count], labels))}",
        };
    }

    private string Write(string kind)
    {
        float[] x = [.. Enumerable.Range(0, 2 * Rows).Select(i => (float)i)];
        long[] y = [3, 1, 4, 1, 5, 9, 2];
        byte[] Npz(bool deflated, byte[] inputs) => SampleFiles.Zip(deflated, ("x.npy", inputs), ("y.npy", SampleFiles.Npy("<i8", "(7,)", y)));
        byte[] images = SampleFiles.Idx([Rows, 2, 1], [.. x.Select(value => (byte)value)]), labels = SampleFiles.Idx([Rows], [.. y.Select(value => (byte)value)]);
        double[][] lines = [.. Enumerable.Range(0, Rows).Select(i => (double[])[y[i], x[2 * i], x[(2 * i) + 1] / 7])];
        return kind switch
        {
            "stored.npz" => _folder.Write(kind, Npz(false, SampleFiles.Npy("<f4", "(7, 2)", x))),
            "deflated.npz" => _folder.Write(kind, Npz(true, SampleFiles.Npy("<f4", "(7, 2)", x))),
            "columns.npz" => _folder.Write(kind, Npz(false, SampleFiles.Npy("<f4", "(7, 2)", x, fortran: true))),
            "big-endian.npz" => _folder.Write(kind, Npz(false, SampleFiles.Npy(">i4", "(7, 2)", x.Select(value => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((int)value)).ToArray()))),
            "a.safetensors" => _folder.Write(kind, SampleFiles.Safetensors(
                """{"x":{"dtype":"F32","shape":[7,2],"data_offsets":[0,56]},"y":{"dtype":"I64","shape":[7],"data_offsets":[56,112]}}""", [.. MemoryMarshal.AsBytes<float>(x), .. MemoryMarshal.AsBytes<long>(y)])),
            "idx" => $"{_folder.Write("images-idx3-ubyte", images)},{_folder.Write("labels-idx1-ubyte", labels)}",
            "idx.gz" => $"{_folder.Write("images-idx3-ubyte.gz", SampleFiles.Gzip(images))},{_folder.Write("labels-idx1-ubyte.gz", SampleFiles.Gzip(labels))}",
            "a.csv" => _folder.Write(kind, Encoding.ASCII.GetBytes("class,a,b\n" + SampleFiles.Text(lines))),
            _ => _folder.Write(kind, SampleFiles.Gzip(Encoding.ASCII.GetBytes(SampleFiles.Text(lines.Select((line, i) => i == 6 ? [0.25, .. line[1..]] : line))))),
        };
    }
}
