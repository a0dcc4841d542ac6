using Xunit;

namespace Curvature.Tests.Cli;

public class ReadmeTests
{
    [Fact]
    public void Shows_the_table_that_measure_trace_prints()
    {
        string output = CommandRun.Of(["measure", "trace", .. CommandRun.Digits]).Output;
        string table = output[..output.LastIndexOf("\n\n", StringComparison.Ordinal)]; // findings tell of the machine, too
        Assert.Contains(table, File.ReadAllText(Repository.File("README.md")), StringComparison.Ordinal);
    }
}
