using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>Where a report cannot go, and what becomes of an earlier one.</summary>
public class OutputFolderTests
{
    private static readonly string[] Quick = ["--samples", "64", "--probes", "4", "--top", "1", "--steps", "4", "--runs", "1"];

    [Fact]
    public void Is_created_and_holds_the_report()
    {
        using var folder = new TemporaryFolder();
        CommandRun run = Report(folder.File("deep/out"));
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.True(File.Exists(folder.File("deep/out/report.html")));
        Assert.True(File.Exists(folder.File("deep/out/report.json")));
        Assert.NotEmpty(Directory.GetFiles(folder.File("deep/out"), "*.svg"));
        Assert.Contains(folder.File("deep/out/report.html"), run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(folder.Entries(), entry => entry.EndsWith(".tmp", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("out")]
    [InlineData("out/below")]
    public void With_a_file_in_its_place_fails_before_any_work(string name)
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("out", "precious");
        CommandRun run = Report(folder.File(name));
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.StartsWith("error: Cannot write", run.Error, StringComparison.Ordinal); // the first line: nothing was computed
        Assert.Equal("precious", File.ReadAllText(file));
        Assert.Single(folder.Entries());
    }

    [Theory]
    [InlineData("m.safetensors", "d.npz", "m.safetensors")]
    [InlineData("m.safetensors", "d.npz", "./d.npz")]
    [InlineData("m.safetensors", "images.npz,labels.npz", "labels.npz")]
    public void Vectors_are_never_written_over_what_is_read(string model, string data, string name)
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write(Path.GetFileName(name), "precious");
        string pair = string.Join(',', data.Split(',').Select(folder.File));
        CommandRun run = CommandRun.Of("measure", "eigs", folder.File(model), "--model-type", "digits-mlp", "--data", pair, "--loss", "cross-entropy", "--out", folder.File(name));
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Equal($"error: Cannot write '{folder.File(name)}': it is read here. Name another file.", run.Message);
        Assert.Equal("precious", File.ReadAllText(file));
    }

    [Fact]
    public void Cancelled_half_way_keeps_the_earlier_report()
    {
        using var folder = new TemporaryFolder();
        string earlier = folder.Write("report.html", "earlier");
        using var cancellation = new CancellationTokenSource();
        using var output = new StringWriter();
        using var error = new CancellingWriter(cancellation, on: "Planned");
        int exitCode = CurvatureCommand.Run(
            ["report", .. CommandRun.Digits, .. Quick, "--out", Path.GetDirectoryName(earlier)!], output, error, cancellation.Token);
        Assert.Equal(CurvatureCommand.Cancelled, exitCode);
        Assert.Empty(output.ToString());
        Assert.EndsWith("error: cancelled.\n", error.ToString(), StringComparison.Ordinal);
        Assert.Equal("earlier", File.ReadAllText(earlier));
        Assert.Single(folder.Entries());
    }

    [MountFact]
    public void On_a_read_only_mount_is_one_message()
    {
        using var folder = new TemporaryFolder();
        using var mount = Mount.Tmpfs(folder, "ro");
        CommandRun run = Report(mount.Path);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("read-only", run.Message, StringComparison.Ordinal);
    }

    [MountFact]
    public void On_a_full_disk_is_one_message_and_the_earlier_report_stays()
    {
        using var folder = new TemporaryFolder();
        using var mount = Mount.Tmpfs(folder, "size=16k");
        string earlier = Path.Combine(mount.Path, "report.html");
        File.WriteAllText(earlier, "earlier");
        CommandRun run = Report(mount.Path);
        Assert.Equal(CurvatureCommand.Failed, run.ExitCode);
        Assert.Contains("disk is full", run.Message, StringComparison.Ordinal);
        Assert.Equal("earlier", File.ReadAllText(earlier));
        Assert.Equal([earlier], Directory.GetFileSystemEntries(mount.Path));
    }

    private static CommandRun Report(string folder) => CommandRun.Of(["report", .. CommandRun.Digits, .. Quick, "--out", folder]);
}
