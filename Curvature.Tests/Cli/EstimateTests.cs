using System.Text.Json;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary><c>--estimate</c>: told before it is done.</summary>
public sealed class EstimateTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tells_time_memory_and_disk_and_does_nothing()
    {
        CommandRun run = CommandRun.Of(["report", .. CommandRun.Digits, "--estimate", "--out", _folder.File("out"), "--checkpoint", _folder.File("checkpoint")]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.All((string[])["2,410 parameters, 1 rank", "time ", "  density", "memory of a rank", "vectors of the density", "disk of a --checkpoint"], text => Assert.Contains(text, run.Output, StringComparison.Ordinal));
        Assert.Empty(_folder.Entries());
    }

    [Theory]
    [InlineData("3,1", 3)]
    [InlineData("many", null)]
    public void Threads_are_those_of_OMP_NUM_THREADS_where_it_is_a_number(string told, int? expected)
    {
        using CommandProcess process = CommandProcess.With("OMP_NUM_THREADS", told, ["measure", "trace", .. CommandRun.Digits, "--samples", "16", "--probes", "2", "--json"]);
        CommandRun run = process.Finish();
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Equal(expected ?? Environment.ProcessorCount, run.Json().GetProperty("environment").GetProperty("threads").GetInt32());
    }

    [Fact]
    public void Says_what_does_not_fit_and_what_to_change()
    {
        CommandRun run = CommandRun.Of(["measure", "density", .. CommandRun.Digits, "--steps", "2000", "--runs", "100000", "--budget", "1", "--estimate", "4", "--json"]);
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        JsonElement asked = run.Json().GetProperty("estimate");
        Assert.Equal((4, 200_000_000), (asked.GetProperty("ranks").GetInt32(), asked.GetProperty("products").GetInt64()));
        Assert.InRange(asked.GetProperty("memory").GetProperty("vectors of the density").GetDouble(), 1.9e12, 2e12);
        Assert.True(run.Json().GetProperty("within_budget").GetProperty("bytes").GetDouble() < asked.GetProperty("bytes").GetDouble() / 10);
        Dictionary<string, string> findings = run.Json().GetProperty("findings").EnumerateArray().ToDictionary(f => f.GetProperty("id").GetString()!, f => f.GetProperty("message").GetString()!);
        Assert.Contains("--steps", findings["memory"], StringComparison.Ordinal);
        Assert.Contains("--budget", findings["time"], StringComparison.Ordinal);
    }

    [Fact]
    public void The_time_told_is_about_the_time_it_takes()
    {
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--samples", "600", "--probes", "300", "--threads", "1", "--json"];
        double told = CommandRun.Of([.. job, "--estimate"]).Json().GetProperty("estimate").GetProperty("seconds").GetDouble();
        double took = CommandRun.Of(job).Json().GetProperty("environment").GetProperty("seconds").GetDouble();
        Assert.InRange(took / told, 0.2, 5); // other tests keep the machine busy in between
    }
}
