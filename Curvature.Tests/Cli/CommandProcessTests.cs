using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

public class CommandProcessTests
{
    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public void Ends_with_130_when_interrupted_half_way_and_leaves_nothing(string signal)
    {
        using var folder = new TemporaryFolder();
        using var process = new CommandProcess(["report", .. CommandRun.Digits, "--steps", "2000", "--runs", "16", "--out", folder.File("out")]);
        process.WaitFor("Planned");
        process.Signal(signal);
        CommandRun run = process.Finish();
        Assert.Equal((CurvatureCommand.Cancelled, ""), (run.ExitCode, run.Output));
        Assert.Equal("error: cancelled.", run.Message);
        Assert.Empty(folder.Entries());
    }

    [Fact]
    public void Ends_with_2_on_a_wrong_command_line_and_with_1_on_a_missing_file()
    {
        using var wrong = new CommandProcess("measure", "trace");
        Assert.Equal(CurvatureCommand.Usage, wrong.Finish().ExitCode);
        using var missing = new CommandProcess("inspect", "none.pt");
        Assert.Equal(CurvatureCommand.Failed, missing.Finish().ExitCode);
    }

    [Fact]
    public void Prints_results_to_stdout_and_messages_to_stderr()
    {
        using var process = new CommandProcess(["measure", "trace", .. CommandRun.Digits, "--samples", "64", "--probes", "2", "--json"]);
        CommandRun run = process.Finish();
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Equal('{', run.Output[0]);
        Assert.Contains("Planned", run.Error, StringComparison.Ordinal);
    }
}
