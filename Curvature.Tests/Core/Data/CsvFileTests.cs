using System.Globalization;
using Curvature.Data;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Data;

public class CsvFileTests
{
    [Theory]
    [InlineData("1,2,0\n3,4,1\n")]
    [InlineData("1,2,0\r\n3,4,1\r\n")]
    [InlineData("1,2,0\n3,4,1")]
    [InlineData("1,2,0\n3,4,1\n\n \n")]
    [InlineData("\uFEFF1,2,0\n3,4,1\n")]
    [InlineData("a,b,c\n1,2,0\n3,4,1\n")]
    [InlineData("\"a\",\"b\",\"c\"\n\"1\", 2 ,0\n3,\t4,1\n")]
    [InlineData("1e0,2.0,0.0\n3,.4e1,1\n")]
    [InlineData("+1,2,0\n3,4.,1\n")]
    public void Spellings_of_the_same_table_are_read_alike(string text)
    {
        using Dataset data = Read(text);
        Assert.Equal([2L, 2L], data.Inputs.shape);
        Assert.Equal([1.0, 2, 3, 4], Values(data.Inputs));
        Assert.Equal(ScalarType.Int64, data.Targets.dtype);
        Assert.Equal([0.0, 1], Values(data.Targets));
    }

    [Theory]
    [InlineData(null, new double[] { 1, 2, 3 }, 4)]
    [InlineData("-1", new double[] { 1, 2, 3 }, 4)]
    [InlineData("3", new double[] { 1, 2, 3 }, 4)]
    [InlineData("0", new double[] { 2, 3, 4 }, 1)]
    [InlineData("b", new double[] { 1, 3, 4 }, 2)]
    public void The_target_is_named_or_counted(string? target, double[] inputs, double expected)
    {
        using Dataset data = Read("a,b,c,d\n1,2,3,4\n", target);
        Assert.Equal(inputs, Values(data.Inputs));
        Assert.Equal([expected], Values(data.Targets));
    }

    [Theory]
    [InlineData("e")]
    [InlineData("4")]
    [InlineData("-2")]
    [InlineData("")]
    public void An_unknown_target_lists_the_columns(string target)
    {
        var error = Assert.Throws<DataFormatException>(() => Read("a,b,c,d\n1,2,3,4\n", target));
        Assert.Contains("its columns are a, b, c, d", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Targets_that_are_not_whole_are_floating_point_of_the_inputs_type()
    {
        using Dataset data = Read("1,0.5\n2,1\n", options: new DataOptions { InputType = ScalarType.Float32 });
        Assert.Equal(ScalarType.Float32, data.Targets.dtype);
        Assert.Equal(ScalarType.Float32, data.Inputs.dtype);
        Assert.Equal([0.5, 1], Values(data.Targets));
    }

    [Fact]
    public void The_scale_multiplies_inputs_and_not_targets()
    {
        using Dataset data = Read("8,2\n16,4\n", options: new DataOptions { Scale = 1 / 16.0 });
        Assert.Equal([0.5, 1], Values(data.Inputs));
        Assert.Equal([2.0, 4], Values(data.Targets));
    }

    [Theory]
    [InlineData("1,2\n3,x\n", "line 2, column 1 (counted from 0)", "'x'")]
    [InlineData("a,b\n1,2\n3,\n", "line 3, column 'b'", "''")]
    [InlineData("a,b\n1,nan\n", "line 2, column 'b'", "'nan'")]
    [InlineData("a,b\n-inf,1\n", "line 2, column 'a'", "'-inf'")]
    [InlineData("a,b\nInfinity,1\n", "line 2, column 'a'", "'Infinity'")]
    [InlineData("a,b\n1e999,1\n", "line 2, column 'a'", "'1e999'")]
    [InlineData("a,b\n1,2\n3,4,5\n", "2 fields in line 3", "3")]
    [InlineData("a,b\n1,2\n3\n", "2 fields in line 3", "1")]
    [InlineData("a,b\n1,2\n\n3,4\n", "numbers in line 3", "a blank line")]
    [InlineData("a,b\n0x10,2\n", "line 2, column 'a'", "'0x10'")]
    [InlineData("a,b\n1 2,2\n", "line 2, column 'a'", "'1 2'")]
    [InlineData("1;2;0\n3;4;1\n", "commas between the fields of line 2", "';'")]
    [InlineData("a;b;label\n0,5;1,5;0\n", "commas between the fields of line 2", "';'")]
    [InlineData("0,5;1,5;0\n0,5;2,5;1\n", "commas between the fields of line 2", "';'")]
    [InlineData("a\tb\n1\t2\n", "commas between the fields of line 2", "tabs")]
    [InlineData("# a b\n1.5 2 0\n", "commas between the fields of line 2", "blanks")]
    [InlineData("a,b,c\n1, 2, nan\n", "line 2, column 'c'", "'nan'")]
    [InlineData("1;2\n", "at least 1 line of numbers", "none")]
    [InlineData("a,b\n", "at least 1 line of numbers", "none")]
    [InlineData("", "at least 1 line of numbers", "none")]
    [InlineData("1\n2\n", "a target and at least one other column", "one column")]
    public void A_bad_table_is_reported_with_its_place(string text, string expected, string got)
    {
        var error = Assert.Throws<DataFormatException>(() => Read(text));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("got " + got, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_number_is_the_nearest_double()
    {
        var random = new Random(1);
        string[] words = [.. Enumerable.Range(0, 20_000).Select(i => Word(random, i))];
        using Dataset data = Read(string.Concat(words.Select(word => word + ",0\n")));
        double[] values = Values(data.Inputs);
        for (int i = 0; i < words.Length; i++)
        {
            Assert.True(double.Parse(words[i], CultureInfo.InvariantCulture).Equals(values[i]), $"{words[i]} was read as {values[i]:R}");
        }
    }

    [Fact]
    public void A_decimal_comma_in_the_culture_changes_nothing()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        var comma = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        comma.NumberFormat.NumberDecimalSeparator = ",";
        comma.NumberFormat.NumberGroupSeparator = ".";
        CultureInfo.CurrentCulture = comma;
        try
        {
            using Dataset data = Read("1.5,2.25,0\n");
            Assert.Equal([1.5, 2.25], Values(data.Inputs));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public void A_long_table_crosses_blocks_and_buffers_without_a_seam()
    {
        double[][] rows = [.. Enumerable.Range(0, 70_000).Select(i => (double[])[i, i * 0.5, -i, i / 3.0, i % 7])];
        using Dataset data = Read(SampleFiles.Text(rows));
        Assert.Equal(rows.SelectMany(row => row[..4]), Values(data.Inputs));
        Assert.Equal(rows.Select(row => row[4]), Values(data.Targets));
    }

    [Fact]
    public void A_line_without_end_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("data.csv.gz");
        using (var stream = new System.IO.Compression.GZipStream(File.Create(path), System.IO.Compression.CompressionLevel.Fastest))
        {
            byte[] zeros = new byte[1 << 20];
            zeros.AsSpan().Fill((byte)'0');
            for (int i = 0; i < 200; i++)
            {
                stream.Write(zeros);
            }
        }

        var error = Assert.Throws<DataFormatException>(() => CsvFile.Read(path, new DataOptions()));
        Assert.Contains("without a line end", error.Message, StringComparison.Ordinal);
    }

    private static string Word(Random random, int i) => (i % 4) switch
    {
        0 => random.Next(-300, 300).ToString(CultureInfo.InvariantCulture),
        1 => (random.NextDouble() * 100).ToString("F" + random.Next(0, 17), CultureInfo.InvariantCulture),
        2 => BitConverter.Int64BitsToDouble(random.NextInt64(0x0010_0000_0000_0000, 0x7FE0_0000_0000_0000)).ToString("R", CultureInfo.InvariantCulture),
        _ => (random.NextDouble() - 0.5).ToString("R", CultureInfo.InvariantCulture),
    };

    private static Dataset Read(string text, string? target = null, DataOptions? options = null)
    {
        using var folder = new TemporaryFolder();
        return CsvFile.Read(folder.Write("data.csv", text), (options ?? new DataOptions()) with { Target = target });
    }

    private static double[] Values(Tensor tensor)
    {
        using Tensor wide = tensor.to(ScalarType.Float64);
        return wide.data<double>().ToArray();
    }
}
