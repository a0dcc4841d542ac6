using System.Text.Json.Nodes;
using Curvature.Cli;
using Curvature.Cli.Output;
using Curvature.Operators;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary><c>--checkpoint</c>: jobs that are killed and go on.</summary>
public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Checkpoint => _folder.File("checkpoint");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_report_killed_at_ten_random_moments_ends_with_the_numbers_of_one_that_was_not()
    {
        string[] job = ["report", .. CommandRun.Digits, "--samples", "256", "--probes", "96", "--steps", "60", "--runs", "6", "--top", "4", "--threads", "1"];
        Assert.Equal(CurvatureCommand.Success, CommandRun.Of([.. job, "--checkpoint", _folder.File("whole"), "--out", _folder.File("expected")]).ExitCode);
        string expected = NumbersIn("expected");
        long whole = new FileInfo(Path.Combine(_folder.File("whole"), ProductJournal.FileName)).Length;
        Random random = new(20261122);
        Queue<long> moments = new([.. Enumerable.Range(0, 10).Select(_ => random.NextInt64(whole / 50, whole * 9 / 10)).Order()]);
        string journal = Path.Combine(Checkpoint, ProductJournal.FileName);
        List<byte[]> left = [];
        for (int starts = 0; moments.Count > 0 && starts < 20; starts++)
        {
            using var process = new CommandProcess([.. job, "--checkpoint", Checkpoint, "--out", _folder.File("killed")]);
            process.WaitFor("Planned");
            Assert.True(SpinWait.SpinUntil(() => new FileInfo(journal) is { Exists: true } file && file.Length >= moments.Peek(), TimeSpan.FromMinutes(2)));
            process.Signal("KILL");
            int exitCode = process.Finish().ExitCode;
            if (exitCode == CurvatureCommand.Success)
            {
                Directory.Delete(_folder.File("killed"), recursive: true); // it was done before the signal came: once more from where it was
                File.Delete(journal);
                if (left.Count > 0)
                {
                    File.WriteAllBytes(journal, left[^1]);
                }

                continue;
            }

            Assert.Equal(128 + 9, exitCode);
            left.Add(File.ReadAllBytes(journal));
            moments.Dequeue();
        }

        Assert.InRange(left.Count, 6, 10);
        Assert.False(Path.Exists(_folder.File("killed")));
        for (int i = 0; i < left.Count; i++)
        {
            Directory.CreateDirectory(_folder.File($"copy-{i}"));
            File.WriteAllBytes(Path.Combine(_folder.File($"copy-{i}"), ProductJournal.FileName), left[i]);
            CommandRun run = CommandRun.Of([.. job, "--checkpoint", _folder.File($"copy-{i}"), "--out", _folder.File($"out-{i}")]);
            Assert.Equal(CurvatureCommand.Success, run.ExitCode);
            Assert.Contains("of an earlier run", run.Error, StringComparison.Ordinal);
            Assert.Equal(expected, NumbersIn($"out-{i}"));
        }
    }

    [Fact]
    public void A_checkpoint_changes_no_number_and_a_finished_one_answers_without_computing()
    {
        string[] job = ["measure", "eigs", .. CommandRun.Digits, "--samples", "200", "--per-layer", "--json", "--threads", "1"];
        string without = Numbers(CommandRun.Of(job));
        Assert.Equal(without, Numbers(CommandRun.Of([.. job, "--checkpoint", Checkpoint])));
        long size = new FileInfo(Path.Combine(Checkpoint, ProductJournal.FileName)).Length;
        Assert.Equal(without, Numbers(CommandRun.Of([.. job, "--checkpoint", Checkpoint])));
        Assert.Equal(size, new FileInfo(Path.Combine(Checkpoint, ProductJournal.FileName)).Length);
    }

    [Fact]
    public void A_budget_that_binds_is_planned_once_and_the_plan_stays()
    {
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--probes", "2000", "--budget", "0.005", "--json", "--threads", "1", "--checkpoint"];
        CommandRun first = CommandRun.Of([.. job, Checkpoint]);
        Assert.Contains("cut-budget", first.Output, StringComparison.Ordinal);
        byte[] journal = File.ReadAllBytes(Path.Combine(Checkpoint, ProductJournal.FileName));
        int planned = FirstProduct(journal); // on a slow machine the plan's readings are most of the file
        foreach (double kept in (double[])[0, 0.2, 0.7])
        {
            string copy = _folder.File($"kept-{kept}");
            Directory.CreateDirectory(copy);
            File.WriteAllBytes(Path.Combine(copy, ProductJournal.FileName), journal[..(planned + (int)(kept * (journal.Length - planned)))]);
            Assert.Equal(Numbers(first), Numbers(CommandRun.Of([.. job, copy])));
        }
    }

    [Fact]
    public void The_room_that_quadratic_forms_take_is_told_as_it_is()
    {
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--samples", "16", "--probes", "1000", "--json"];
        CommandRun run = CommandRun.Of([.. job, "--checkpoint", Checkpoint]);
        Assert.Contains("the checkpoint takes 43 B a quadratic form, up to about 43 kB in all; ", run.Error, StringComparison.Ordinal);
        Assert.InRange(new FileInfo(Path.Combine(Checkpoint, ProductJournal.FileName)).Length, 43_000, 46_000); // and its head
        Assert.Equal(43_000, CommandRun.Of([.. job, "--estimate"]).Json().GetProperty("estimate").GetProperty("checkpoint_bytes").GetDouble());
    }

    [Fact]
    public void The_room_that_products_of_layers_take_is_the_same_before_the_job_and_in_it()
    {
        string[] job = ["measure", "eigs", .. CommandRun.Digits, "--samples", "16", "--top", "1", "--per-layer"];
        double told = CommandRun.Of([.. job, "--estimate", "--json"]).Json().GetProperty("estimate").GetProperty("checkpoint_bytes").GetDouble();
        Assert.Contains($" a product, up to about {Format.Bytes(told)} in all; ", CommandRun.Of([.. job, "--checkpoint", Checkpoint]).Error, StringComparison.Ordinal);
        Assert.Equal(0, CommandRun.Of(["measure", "trace", .. CommandRun.Digits, "--samples", "16", "--matrix", "ggn", "--estimator", "exact", "--estimate", "--json"]).Json().GetProperty("estimate").GetProperty("checkpoint_bytes").GetDouble());
    }

    [Fact]
    public void The_checkpoint_of_another_job_is_refused_with_what_differs()
    {
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--samples", "64", "--probes", "8", "--checkpoint", Checkpoint];
        Assert.Equal(CurvatureCommand.Success, CommandRun.Of([.. job, "--seed", "1"]).ExitCode);
        CommandRun other = CommandRun.Of([.. job, "--seed", "2"]);
        Assert.Equal((CurvatureCommand.Failed, ""), (other.ExitCode, other.Output));
        Assert.Contains("belongs to another job: --seed was 1 and is 2. ", other.Message, StringComparison.Ordinal);
        CommandRun quantity = CommandRun.Of(["measure", "norm", .. job[2..], "--seed", "1"]);
        Assert.Contains("belongs to another job: command was measure trace and is measure norm. ", quantity.Message, StringComparison.Ordinal);
    }

    /// <summary>Where a journal's first record of a product begins: a mark, and a number of columns, which readings have none of.</summary>
    private static int FirstProduct(byte[] journal)
    {
        int at = journal.AsSpan().IndexOf("JREC"u8);
        while (BitConverter.ToInt32(journal, at + 4) == 0)
        {
            at += 4 + journal.AsSpan(at + 4).IndexOf("JREC"u8);
        }

        return at;
    }

    private static string Numbers(CommandRun run)
    {
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return Numbers(run.Output);
    }

    private string NumbersIn(string folder) => Numbers(File.ReadAllText(Path.Combine(_folder.File(folder), "report.json")));

    /// <summary>All but what the clock says, and the words that name the folders.</summary>
    private static string Numbers(string json)
    {
        JsonObject all = JsonNode.Parse(OfTheClock.Masked(json).Replace("...", "0", StringComparison.Ordinal))!.AsObject();
        all.Remove("command");
        return all.ToJsonString();
    }
}
