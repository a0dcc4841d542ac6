using System.Globalization;
using Curvature.Data;
using TorchSharp;
using Xunit;

namespace Curvature.Tests.Core.Data;

/// <summary>
/// Every format, cut at every length and with every byte flipped: data as they were, or one clear message; never anything else.
/// </summary>
public class HostileFileTests
{
    /// <summary>A small file, its name, and whether its format protects its contents by checksums.</summary>
    private static readonly Dictionary<string, (byte[] Bytes, bool Checked)> Files = new()
    {
        ["stored.npz"] = (SampleFiles.Npz(deflated: false), true),
        ["deflated.npz"] = (SampleFiles.Npz(deflated: true), true),
        ["data.safetensors"] = (SampleFiles.Safetensors(), false),
        ["data.csv"] = (SampleFiles.Csv(), false),
        ["data.csv.gz"] = (SampleFiles.Gzip(SampleFiles.Csv()), true),
        ["two-members.csv.gz"] = ([.. SampleFiles.Gzip("a,b,class\n1,2,0\n3"u8.ToArray()), .. SampleFiles.Gzip(",4,1\n5,6,2\n"u8.ToArray())], true),
        ["images-idx3"] = (SampleFiles.Idx([3, 1, 2], [1, 2, 3, 4, 5, 6]), false),
        ["images-idx3.gz"] = (SampleFiles.Gzip(SampleFiles.Idx([3, 1, 2], [1, 2, 3, 4, 5, 6])), true),
    };

    public static TheoryData<string> Names => [.. Files.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Whole_it_is_read(string name)
    {
        using var folder = new TemporaryFolder();
        Assert.StartsWith("1 2 3 4 5 6 | 0 1 2", Read(folder, name, Files[name].Bytes), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Cut_anywhere_it_is_one_clear_message(string name)
    {
        using var folder = new TemporaryFolder();
        (byte[] bytes, _) = Files[name];
        bool endsUnseen = name.EndsWith(".csv", StringComparison.Ordinal) || name.StartsWith("two", StringComparison.Ordinal);
        for (int length = 0; length < bytes.Length; length++)
        {
            string? data = ReadOrMessage(folder, name, bytes[..length]);

            // Text may end behind any digit, and a file of two gzip members behind the first.
            Assert.True(data is null || endsUnseen, $"{name} of {length} bytes: {data}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void With_any_byte_flipped_it_is_the_same_data_or_one_clear_message(string name)
    {
        using var folder = new TemporaryFolder();
        (byte[] bytes, bool isChecked) = Files[name];
        string whole = Read(folder, name, bytes);
        for (int i = 0; i < bytes.Length; i++)
        {
            foreach (byte mask in (byte[])[(byte)(1 << (i % 8)), 0xFF])
            {
                byte[] damaged = [.. bytes];
                damaged[i] ^= mask;
                string? data = ReadOrMessage(folder, name, damaged);
                Assert.True(data is null || data == whole || !isChecked, $"{name}, byte {i} ^ {mask}: {data}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void With_bytes_behind_its_end_it_is_one_clear_message(string name)
    {
        using var folder = new TemporaryFolder();
        Assert.Null(ReadOrMessage(folder, name, [.. Files[name].Bytes, 1, 2, 3]));
    }

    [Theory]
    [InlineData("absent.npz")]
    [InlineData("absent.safetensors")]
    [InlineData("absent.csv")]
    [InlineData("absent-images-idx3,absent-labels-idx1")]
    public void Absent_it_is_one_clear_message(string name)
    {
        using var folder = new TemporaryFolder();
        string path = string.Join(',', name.Split(',').Select(folder.File));
        var error = Assert.Throws<DataFormatException>(() => DataFile.Read(path, new DataOptions()));
        Assert.Contains("expected a file, got nothing of that name; check the path.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.File("data.csv"));
        var error = Assert.Throws<DataFormatException>(() => DataFile.Read(folder.File("data.csv"), new DataOptions()));
        Assert.Contains("got a folder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_of_no_known_kind_lists_the_kinds()
    {
        var error = Assert.Throws<DataFormatException>(() => DataFile.Read("data.parquet", new DataOptions()));
        Assert.Contains(".npz, .safetensors, .csv", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The data as text, or null where reading ended with a message as it should.</summary>
    private static string? ReadOrMessage(TemporaryFolder folder, string name, byte[] bytes)
    {
        try
        {
            return Read(folder, name, bytes);
        }
        catch (DataFormatException e)
        {
            Assert.StartsWith(folder.File(name), e.Message, StringComparison.Ordinal);
            Assert.Contains(": expected ", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
            return null;
        }
    }

    private static string Read(TemporaryFolder folder, string name, byte[] bytes)
    {
        string path = folder.Write(name, bytes);
        bool pair = name.Contains("idx", StringComparison.Ordinal);
        string specification = pair ? path + "," + folder.Write("labels-idx1", SampleFiles.Idx([3], [0, 1, 2])) : path;
        using Dataset data = DataFile.Read(specification, new DataOptions { Scale = pair ? 255 : 1 });
        return Show(data.Inputs) + " | " + Show(data.Targets);
    }

    private static string Show(torch.Tensor tensor)
    {
        using torch.Tensor wide = tensor.to(torch.ScalarType.Float64);
        return string.Join(' ', wide.data<double>().ToArray().Select(value => value.ToString("G9", CultureInfo.InvariantCulture)));
    }
}
