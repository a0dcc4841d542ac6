using System.Diagnostics;
using System.Text.Json;
using Curvature.Cli;
using Curvature.Operators;
using Curvature.Tests.Distributed;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary><c>mpirun -n N curvature ...</c>, with all that can befall one rank.</summary>
public sealed class MpirunTests : IDisposable
{
    /// <summary>In which a job ends that one rank has ended, however busy the machine; ranks that wait for it do so ten minutes, or for ever.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(100);

    // Seconds that the launcher leaves ranks to end before it kills them, and waits whatever they take. By default one, in which a busy machine may not get to their words.
    private const string Patience = "odls_base_sigkill_timeout";

    // Long enough to be disturbed half way.
    private static readonly string[] Long = ["report", .. CommandRun.Digits, "--steps", "2000", "--runs", "16", "--threads", "1"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [MpirunFact]
    public void Ranks_agree_with_one_process_and_rank_0_alone_speaks()
    {
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--samples", "450", "--batch-size", "100", "--probes", "8", "--dtype", "float64", "--json", "--threads", "1"];
        JsonElement one = CommandRun.Of(job).Json();
        using CommandProcess together = CommandProcess.Mpirun(2, job);
        CommandRun run = together.Finish();
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement two = run.Json();
        Assert.Equal(2, two.GetProperty("environment").GetProperty("ranks").GetInt32());
        foreach (string number in (string[])["value", "standard_error"])
        {
            Assert.Equal(one.GetProperty("trace").GetProperty(number).GetDouble(), two.GetProperty("trace").GetProperty(number).GetDouble(), 11);
        }

        Assert.Single(run.Error.Split('\n'), line => line.StartsWith("One product", StringComparison.Ordinal));
    }

    [MpirunFact]
    public void A_plan_of_ranks_is_that_of_one_process_and_rank_0_alone_prints_and_writes_it()
    {
        string[] job = ["plan", .. CommandRun.Digits, "--samples", "200", "--limit", "avg-bits=3", "--probes", "8", "--activations", "4,8", "--activation-limit", "avg-bits=6", "--dtype", "float64", "--json", "--threads", "1"];
        JsonElement one = CommandRun.Of(job).Json();
        using CommandProcess together = CommandProcess.Mpirun(3, [.. job, "--out", _folder.File("plan")]);
        CommandRun run = together.Finish();
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Equal(run.Output, File.ReadAllText(_folder.File("plan/plan.json")));
        Assert.Single(run.Error.Split('\n'), line => line.StartsWith("Sensitivity 'hessian'", StringComparison.Ordinal));
        JsonElement three = run.Json();
        Assert.Equal(3, three.GetProperty("environment").GetProperty("ranks").GetInt32());
        foreach (string same in (string[])["assignment", "activation_bits", "size_bytes", "measured", "rank_correlation"]) // losses of whole plans and of single layers batch by batch: to the bit
        {
            Assert.Equal(one.GetProperty(same).GetRawText(), three.GetProperty(same).GetRawText());
        }

        Assert.Equal(one.GetProperty("objective").GetDouble(), three.GetProperty("objective").GetDouble(), 1e-11 * one.GetProperty("objective").GetDouble());

        string[] quantize = ["quantize", .. CommandRun.Digits, "--plan", _folder.File("plan/plan.json"), "--calibrate", "light", "--json", "--threads", "1", "--out"]; // ranges of inputs too
        JsonElement alone = CommandRun.Of([.. quantize, _folder.File("one.safetensors")]).Json();
        using CommandProcess pair = CommandProcess.Mpirun(2, [.. quantize, _folder.File("two.safetensors")]);
        run = pair.Finish();
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Equal(alone.GetProperty("quantization").GetRawText(), run.Json().GetProperty("quantization").GetRawText());
        Assert.Equal(File.ReadAllBytes(_folder.File("one.safetensors")), File.ReadAllBytes(_folder.File("two.safetensors")));
    }

    [MpirunFact]
    public void Ranks_prune_as_one_process_does()
    {
        string[] prune = ["prune", .. CommandRun.Digits, "--samples", "300", "--sparsity", "0.5", "--steps", "2", "--gradients", "40", "--dtype", "float64", "--json", "--threads", "1", "--out"];
        JsonElement one = CommandRun.Of([.. prune, _folder.File("one.safetensors")]).Json();
        using CommandProcess pair = CommandProcess.Mpirun(2, [.. prune, _folder.File("two.safetensors")]);
        CommandRun run = pair.Finish();
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        JsonElement two = run.Json();
        Assert.Equal(one.GetProperty("layers").GetRawText(), two.GetProperty("layers").GetRawText());
        Assert.Equal(Loss(one, "magnitude"), Loss(two, "magnitude"));
        Assert.Equal(Loss(one, "obs"), Loss(two, "obs"), 1e-8);
        Assert.True(File.Exists(_folder.File("two.safetensors")));

        static double Loss(JsonElement json, string how) => json.GetProperty("pruning").GetProperty(how).GetProperty("loss").GetDouble();
    }

    [MpirunFact]
    public void A_plan_ends_on_all_ranks_where_one_has_bad_data_and_an_error_of_all_is_told_once()
    {
        string[] plan = ["plan", .. CommandRun.Digits, "--samples", "200", "--limit", "avg-bits=3", "--probes", "8", "--threads", "1"];
        string damaged = _folder.File("damaged.csv");
        File.WriteAllText(damaged, "1,2,x\n");
        using CommandProcess process = CommandProcess.Mpirun([plan, [.. plan.Select(word => word == CommandRun.Digits[4] ? damaged : word)]]);
        CommandRun run = process.Finish();
        Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("error: rank 1 of 2: ", Assert.Single(run.Error.Split('\n'), line => line.StartsWith("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);

        using CommandProcess absent = CommandProcess.Mpirun(3, [.. plan.Select(word => word == CommandRun.Digits[0] ? "absent.safetensors" : word)]);
        run = absent.Finish();
        Assert.Contains("absent.safetensors", Assert.Single(run.Error.Split('\n'), line => line.Contains("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);

        using CommandProcess dear = CommandProcess.Mpirun(2, [.. plan.Select(word => word == "avg-bits=3" ? "bops=1K" : word)]);
        run = dear.Finish();
        Assert.StartsWith("error: bops=1K is 1.000 K, and no plan", Assert.Single(run.Error.Split('\n'), line => line.Contains("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [MpirunFact]
    public void Ranks_go_on_from_what_is_left_of_their_checkpoint_to_the_same_bits()
    {
        string[] job = ["measure", "density", .. CommandRun.Digits, "--samples", "300", "--steps", "10", "--runs", "4", "--json", "--threads", "1", "--checkpoint"];
        CommandRun whole = Finished(_folder.File("whole"));
        byte[] journal = File.ReadAllBytes(Path.Combine(_folder.File("whole"), ProductJournal.FileName));
        foreach (double left in (double[])[0.2, 0.7])
        {
            string folder = _folder.File($"{left}");
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(Path.Combine(folder, ProductJournal.FileName), journal[..(int)(left * journal.Length)]);
            CommandRun resumed = Finished(folder);
            Assert.Contains("of an earlier run", resumed.Error, StringComparison.Ordinal);
            Assert.Equal(whole.Json().GetProperty("density").GetRawText(), resumed.Json().GetProperty("density").GetRawText());
        }

        CommandRun Finished(string checkpoint)
        {
            using CommandProcess process = CommandProcess.Mpirun(2, [.. job, checkpoint]);
            CommandRun run = process.Finish();
            Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
            return run;
        }
    }

    [MpirunFact]
    public void A_file_that_one_rank_lacks_ends_all_with_its_message()
    {
        string[] rest = ["--model-type", "digits-mlp", "--data", CommandRun.Digits[4], "--target", "-1", "--loss", "cross-entropy"];
        using CommandProcess process = CommandProcess.Mpirun([["measure", "trace", CommandRun.Digits[0], .. rest], ["measure", "trace", "absent.safetensors", .. rest]]);
        CommandRun run = process.Finish();
        Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("error: rank 1 of 2: ", Assert.Single(run.Error.Split('\n'), line => line.StartsWith("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [MpirunFact]
    public void A_plan_a_table_or_a_checkpoint_that_one_rank_lacks_is_told_of()
    {
        string plan = _folder.Write("plan.json", """{"assignment":{"fc1":4,"fc2":8},"loss_function":"cross-entropy"}"""), absent = _folder.File("absent");
        AssertTold(["quantize", .. CommandRun.Digits, "--out", _folder.File("out.safetensors"), "--plan"], plan);
        AssertTold(["plan", .. CommandRun.Digits, "--limit", "avg-bits=4", "--layers"], _folder.Write("costs.json", """{"bits":[4,8],"layers":[{"name":"fc1","parameters":2048,"macs":2048}]}"""));
        AssertTold(["report", .. CommandRun.Digits, "--out", _folder.File("out")], CommandRun.Digits[0]);

        void AssertTold(string[] command, string file)
        {
            using CommandProcess process = CommandProcess.Mpirun([[.. command, file], [.. command, absent]]);
            CommandRun run = process.Finish();
            Assert.Equal((CurvatureCommand.Failed, ""), (run.ExitCode, run.Output));
            Assert.StartsWith($"error: rank 1 of 2: {absent}: expected ", Assert.Single(run.Error.Split('\n'), line => line.Contains("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);
        }
    }

    [MpirunFact]
    public void A_killed_rank_ends_all_and_the_job_goes_on_when_it_is_started_again()
    {
        const long Some = 200_000; // of 300 MB
        string kept = _folder.File("kept"), journal = Path.Combine(kept, ProductJournal.FileName);
        string[] job = [.. Long, "--probes", "2", "--out", _folder.File("out"), "--checkpoint", kept];
        using (CommandProcess process = CommandProcess.Mpirun(2, job))
        {
            process.WaitFor("Planned");
            int[] ranks = process.Children();
            Assert.True(SpinWait.SpinUntil(() => new FileInfo(journal) is { Exists: true, Length: > Some }, Soon));
            Signal(ranks[^1], "KILL");
            Assert.Single(AssertEnded(process, ranks, kept, journal).Error.Split('\n'), line => line.Contains("signal 9", StringComparison.Ordinal)); // the launcher's words: a process that is killed has none
        }

        using CommandProcess again = CommandProcess.Mpirun(2, job);
        Assert.Contains("the job goes on from there", again.WaitFor("of an earlier run"), StringComparison.Ordinal);
    }

    [MpirunFact]
    public void A_rank_that_hangs_ends_all_when_the_time_limit_is_reached()
    {
        using CommandProcess process = CommandProcess.Mpirun(2, [.. Long, "--out", _folder.File("out"), "--rank-timeout", "20"]); // which starting up stays within, too
        process.WaitFor("Planned");
        int[] ranks = process.Children();
        Signal(ranks[^1], "STOP");
        CommandRun run = AssertEnded(process, ranks);
        Assert.Single(run.Error.Split('\n'), line => line.StartsWith("error: waited 20 s for the other ranks", StringComparison.Ordinal));
    }

    [MpirunFact]
    public void A_signal_to_the_launcher_leaves_no_process_and_no_file()
    {
        using CommandProcess process = CommandProcess.Mpirun(2, [.. Long, "--out", _folder.File("out")]);
        process.WaitFor("Planned");
        int[] ranks = process.Children();
        process.Signal("TERM");
        AssertEnded(process, ranks);
    }

    [MpirunFact]
    public void An_interrupt_is_answered_in_one_line_with_what_is_stopped_and_what_is_kept()
    {
        string kept = _folder.File("kept");
        using CommandProcess process = CommandProcess.MpirunWith(Patience, "4", 2, ["measure", "density", .. CommandRun.Digits, "--steps", "2000", "--runs", "16", "--threads", "1", "--checkpoint", kept]);
        process.WaitFor("Planned");
        int[] ranks = process.Children();
        process.Signal("INT");
        CommandRun run = AssertEnded(process, ranks, kept, Path.Combine(kept, ProductJournal.FileName));
        Assert.Equal(
            $"cancelled: curvature measure density is stopped on all 2 ranks. The products so far are in {kept}, and the same command goes on from there.",
            Assert.Single(run.Error.Split('\n'), line => line.Contains("cancelled", StringComparison.Ordinal)));
    }

    [MpirunFact]
    public void An_interrupt_is_answered_once_by_ranks_that_are_given_time_to_end_and_for_none_but_those_at_work()
    {
        using CommandProcess two = CommandProcess.MpirunWith(Patience, "4", 2, [.. Long, "--out", _folder.File("out")]);
        two.WaitFor("Planned");
        int[] ranks = two.Children();
        two.Signal("INT");
        Assert.Equal("cancelled: curvature report is stopped on all 2 ranks. Nothing half-written is left.", Answer(AssertEnded(two, ranks)));

        using CommandProcess one = CommandProcess.MpirunWith(Patience, "4", 2, "demo", "--out", _folder.File("demo"));
        one.WaitFor("Planned");
        one.Signal("INT");
        CommandRun run = one.Finish();
        Assert.NotEqual(CurvatureCommand.Success, run.ExitCode);
        Assert.Equal("error: cancelled.", Answer(run));
        Assert.Empty(_folder.Entries());

        static string Answer(CommandRun run) => Assert.Single(run.Error.Split('\n'), line => line.Contains("cancelled", StringComparison.Ordinal));
    }

    [MpirunFact]
    public void A_place_that_cannot_be_written_ends_all_ranks_also_where_the_launcher_does_not()
    {
        string taken = _folder.Write("taken", []);
        foreach (string[] command in (string[][])[["plan", .. CommandRun.Digits, "--limit", "avg-bits=4"], ["report", .. CommandRun.Digits]])
        {
            using CommandProcess process = CommandProcess.MpirunWith("orte_abort_on_non_zero_status", "0", 2, [.. command, "--out", taken, "--threads", "1", "--rank-timeout", "100"]);
            CommandRun run = process.Finish();
            Assert.Contains("taken", Assert.Single(run.Error.Split('\n'), line => line.Contains("error: ", StringComparison.Ordinal)), StringComparison.Ordinal);
            Assert.NotEqual(CurvatureCommand.Success, run.ExitCode);
            Assert.DoesNotContain("waited", run.Error, StringComparison.Ordinal); // the others were told, and did not find out
        }
    }

    [MpirunFact]
    public void What_one_process_does_is_done_once()
    {
        using CommandProcess process = CommandProcess.Mpirun(2, "inspect", CommandRun.Digits[0]);
        CommandRun run = process.Finish();
        Assert.Equal((CurvatureCommand.Success, CommandRun.Of("inspect", CommandRun.Digits[0]).Output), (run.ExitCode, run.Output));
        Assert.Contains("rank 0 does it", run.Error, StringComparison.Ordinal);
        using CommandProcess typed = CommandProcess.OnTerminal(["mpirun", "-n", "1"], _folder.File("typed"), "inspect", CommandRun.Digits[0]); // what mpirun shows its rank is a terminal, what it writes itself a file
        Assert.Equal(CurvatureCommand.Success, typed.Finish().ExitCode);
        Assert.Equal(run.Output, File.ReadAllText(_folder.File("typed")));
        using CommandProcess blocks = CommandProcess.Mpirun(2, ["prune", .. CommandRun.Digits, "--samples", "100", "--sparsity", "0.5", "--steps", "1", "--gradients", "8", "--block-size", "32", "--threads", "1", "--out", _folder.File("pruned.safetensors")]); // goes over data, with nobody to share them with
        Assert.Equal(CurvatureCommand.Success, blocks.Finish().ExitCode);
        using CommandProcess wrong = CommandProcess.Mpirun(2, "measure", "trace");
        CommandRun usage = wrong.Finish();
        Assert.Equal(CurvatureCommand.Usage, usage.ExitCode);
        Assert.Single(usage.Error.Split('\n'), line => line.StartsWith("error: ", StringComparison.Ordinal));
    }

    private CommandRun AssertEnded(CommandProcess process, int[] ranks, params string[] kept)
    {
        var clock = Stopwatch.StartNew();
        CommandRun run = process.Finish();
        Assert.NotEqual(CurvatureCommand.Success, run.ExitCode);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, Soon);
        Assert.Equal(2, ranks.Length);
        Assert.All(ranks, rank => Assert.True(SpinWait.SpinUntil(() => HasEnded(rank), Soon), $"rank with process id {rank} is still there: {run.Error}"));
        Assert.Equal(kept, _folder.Entries());
        return run;
    }

    /// <summary>Gone, or a zombie that nobody has asked for.</summary>
    private static bool HasEnded(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/stat").Split(')')[^1].TrimStart()[0] is 'Z' or 'X';
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static void Signal(int process, string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", $"{process}"]);
        kill.WaitForExit();
    }
}
