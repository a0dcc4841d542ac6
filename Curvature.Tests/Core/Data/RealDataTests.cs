using Curvature.Data;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Data;

/// <summary>The data of this repository, and Debian's Fashion-MNIST where it is installed.</summary>
public class RealDataTests
{
    [Theory]
    [InlineData("data/digits.csv.gz", 1797, 64, 10, 561718.0)]
    [InlineData("data/breast_cancer.csv", 569, 30, 2, 1056474.4596356)]
    [InlineData("data/iris.csv", 150, 4, 3, 2078.7)]
    public void The_committed_data_are_whole(string file, long rows, long columns, int classes, double sum)
    {
        using Dataset data = DataFile.Read(Repository.File(file), new DataOptions { Target = "label" });
        Assert.Equal([rows, columns], data.Inputs.shape);
        Assert.Equal(sum, data.Inputs.sum().ToDouble(), sum * 1e-9);
        Assert.Equal(Enumerable.Range(0, classes).Select(i => (long)i), data.Targets.data<long>().ToArray().Distinct().Order());
    }

    [FashionMnistFact]
    [Trait("Category", "Slow")]
    public void Fashion_mnist_is_read_whole()
    {
        using Dataset data = DataFile.Read(FashionMnistFactAttribute.Pair, new DataOptions { InputType = ScalarType.Float32 });
        Assert.Equal([60_000L, 1L, 28L, 28L], data.Inputs.shape);

        // The mean pixel as the data set's authors give it.
        Assert.Equal(0.2860, data.Inputs.mean().ToDouble(), 1e-4);
        Assert.All(data.Targets.bincount(null).data<long>().ToArray(), count => Assert.Equal(6000, count));
    }

    [FashionMnistFact]
    [Trait("Category", "Slow")]
    public void A_table_of_20000_rows_and_785_columns_is_read_in_seconds()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("fashion.csv");
        using Tensor pixels = IdxFile.Read(FashionMnistFactAttribute.Pair.Split(',')[0]);
        byte[] bytes = pixels.narrow(0, 0, 20_000).contiguous().data<byte>().ToArray();
        using (var writer = new StreamWriter(path))
        {
            foreach (byte[] image in bytes.Chunk(784))
            {
                writer.WriteLine(string.Join(',', image) + ",1");
            }
        }

        TimeSpan before = Environment.CpuUsage.TotalTime; // of this process: others have their own
        using Dataset data = CsvFile.Read(path, new DataOptions { InputType = ScalarType.Float32 });
        TimeSpan took = Environment.CpuUsage.TotalTime - before;
        Assert.Equal([20_000L, 784L], data.Inputs.shape);
        Assert.InRange(took.TotalSeconds, 0, 7);
        Assert.Equal(bytes.Sum(pixel => (double)pixel), data.Inputs.to(ScalarType.Float64).sum().ToDouble());
    }
}
