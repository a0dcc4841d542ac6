using System.Globalization;
using System.Text.Json;
using Curvature.Cli;
using Curvature.Cli.Work;
using Curvature.Estimators;
using Curvature.Tests.Distributed;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;

namespace Curvature.Tests.Cli;

/// <summary><c>--estimate</c>: told before it is done.</summary>
public sealed class EstimateTests(ITestOutputHelper output) : IDisposable
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

    [MpirunFact]
    public void Under_mpirun_one_process_tells_it_once_for_ranks_that_share_the_machine()
    {
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--samples", "512", "--estimate"];
        List<double> parts = [];
        do
        {
            double alone = Free(CommandRun.Of([.. job, "2"]));
            using CommandProcess process = CommandProcess.Mpirun(2, job);
            CommandRun run = process.Finish();
            Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
            Assert.Contains("2 ranks, 2 of them on a machine like this; ", Assert.Single(run.Output.Split('\n'), line => line.Contains("2,410 parameters", StringComparison.Ordinal)), StringComparison.Ordinal);
            Assert.Contains("'curvature measure trace --estimate' is the work of one process", run.Error, StringComparison.Ordinal);
            parts.Add(Free(run) / alone);
        }
        while (parts[^1] is < 0.45 or > 0.55 && parts.Count < 5); // others take memory and give it back in between

        Assert.InRange(parts[^1], 0.45, 0.55);

        static double Free(CommandRun run)
        {
            string[] words = run.Output.Split('\n').Single(line => line.StartsWith("memory that is free", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int thousands = Array.IndexOf((string[])["B", "kB", "MB", "GB", "TB"], words[5]);
            Assert.True(thousands >= 0, words[5]);
            return double.Parse(words[4], CultureInfo.InvariantCulture) * Math.Pow(1000, thousands);
        }
    }

    [Fact]
    public void Where_data_does_not_fit_ranks_are_named_that_each_read_a_share()
    {
        JobCost cost = new()
        {
            Plan = new WorkPlan(Samples: 1000, Probes: 8, EigenProducts: 0, Steps: 0, Runs: 0),
            Product = new ProductCost(Graph: 1e-3, Product: 2e-3),
            Parameters = 10,
            Speed = new MachineSpeed(VectorBytes: 1e10, RankBytes: 1e9),
            BatchSize = 10,
            SampleBytes = 1e6,
        };
        JobEstimate one = new() { Environment = new EnvironmentReport(), Asked = cost, Fitted = cost, Budget = TimeSpan.FromMinutes(10), FreeMemory = 1e6, LeftOut = [] };
        Assert.EndsWith("Most is for data: one process reads the whole file, of several ranks each its share; or store the samples that are needed in a file of their own.", one.Findings()[0].Message, StringComparison.Ordinal);
        JobEstimate four = one with { Asked = cost with { Ranks = 4 }, Fitted = cost with { Ranks = 4 } };
        Assert.EndsWith("Most is for data: of 8 ranks each would read half as many samples, or name fewer --samples.", four.Findings()[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ranks_of_a_machine_keep_each_their_part_of_the_graphs_that_fit_into_its_memory()
    {
        ProductCost alone = new(Graph: 1e-3, Product: 2e-3, Kept: 1000), shared = Measurement.OfRank(alone, new SoleRank(4), torch.CPU);
        Assert.Equal(alone with { Kept = 250 }, shared);
        Assert.Equal(alone, Measurement.OfRank(alone, new SoleRank(1), torch.CPU));
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
        double told = double.PositiveInfinity, took = double.PositiveInfinity;
        for (int turn = 0; turn < 3; turn++) // the least of each: what else the machine has to do only adds
        {
            told = Math.Min(told, CommandRun.Of([.. job, "--estimate"]).Json().GetProperty("estimate").GetProperty("seconds").GetDouble());
            took = Math.Min(took, CommandRun.Of(job).Json().GetProperty("environment").GetProperty("seconds").GetDouble());
        }

        output.WriteLine($"told {told:F3} s, took {took:F3} s");
        Assert.InRange(took / told, 0.2, 5);
    }
}
