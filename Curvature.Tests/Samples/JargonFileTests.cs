using System.IO.Compression;
using System.Text;
using Curvature.Data;
using Curvature.Samples;
using Curvature.Samples.Study;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Samples;

public sealed class JargonFileTests
{
    [Fact]
    public void Reads_plain_and_compressed_text()
    {
        using TemporaryFolder folder = new();
        string text = "foo — bar\n", plain = folder.File("a.txt"), zipped = folder.File("a.txt.gz");
        File.WriteAllText(plain, text);
        using (GZipStream stream = new(File.Create(zipped), CompressionMode.Compress))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
        }

        Assert.Equal(text, JargonFile.ReadText(plain));
        Assert.Equal(text, JargonFile.ReadText(zipped));
    }

    [Fact]
    public void Says_what_installs_it()
    {
        MissingDataException error = Assert.Throws<MissingDataException>(() => JargonFile.ReadText("/nowhere/jargon.txt.gz"));
        Assert.Contains("apt-get install jargon-text", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_a_damaged_file()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("a.gz");
        File.WriteAllBytes(path, [0x1F, 0x8B, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        Assert.Contains(path, Assert.Throws<DataFormatException>(() => JargonFile.ReadText(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Windows_follow_one_another_and_targets_are_a_symbol_ahead()
    {
        string text = string.Concat(Enumerable.Range(0, 101).Select(i => (char)('a' + (i % 3 == 0 ? 0 : i % 7))));
        (Dataset train, Dataset test) = JargonFile.Windows(text, 4);
        using (train)
        using (test)
        {
            Assert.Equal((23, 2), (train.Count, test.Count));
            long[] x = [.. train.Inputs.data<long>(), .. test.Inputs.data<long>()], y = [.. train.Targets.data<long>(), .. test.Targets.data<long>()];
            Assert.Equal(x[1..], y[..^1]);
            Assert.Equal(text.Select(c => c == 'a'), x.Append(y[^1]).Select(symbol => symbol == 0)); // the most frequent
        }
    }

    [Fact]
    public void Rare_characters_share_the_last_number()
    {
        string text = string.Concat(Enumerable.Range(0, 300).Select(i => (char)(1000 + i)));
        (Dataset train, Dataset test) = JargonFile.Windows(text, 10);
        using (train)
        using (test)
        {
            Assert.Equal(JargonFile.Symbols - 1, train.Inputs.max().ToInt64());
            Assert.Equal(JargonFile.Symbols - 1, test.Inputs.min().ToInt64());
        }
    }

    [Fact]
    public void The_transformer_sees_no_future_and_has_the_size_that_the_page_says()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        manual_seed(0);
        using CharTransformer model = new(JargonFile.Symbols);
        Tensor symbols = randint(JargonFile.Symbols, [2, 12]), changed = symbols.clone();
        changed[TensorIndex.Colon, 7] = (symbols[TensorIndex.Colon, 7] + 1) % JargonFile.Symbols;
        Tensor moved = model.call(symbols).sub(model.call(changed)).abs().sum(dim: 1); // [B, T]

        Assert.Equal([2, JargonFile.Symbols, 12], model.call(symbols).shape);
        Assert.Equal(0, moved[TensorIndex.Colon, ..7].max().ToDouble());
        Assert.True(moved[TensorIndex.Colon, 7..].min().ToDouble() > 1e-6);
        Assert.Contains($"{model.parameters().Sum(p => p.numel()):N0} parameters", KnownProblems.All.Single(problem => problem.Name == "jargon").Text, StringComparison.Ordinal);
    }
}
