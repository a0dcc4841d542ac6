using Curvature.Cli;
using Curvature.Operators;
using Curvature.Tests.Cli;

namespace Curvature.Tests.Fixtures;

/// <summary>What <see cref="DeviceProgram"/> finds of a job on the device that was killed half way and goes on when more of the device's memory is free.</summary>
internal static class DeviceJobProgram
{
    public const string Whole = "printed by a job that was not killed, but for seconds", Resumed = "printed by one that was killed, but for seconds", Said = "said by one that was killed";

    public static void Measure(Dictionary<string, string> texts)
    {
        using TemporaryFolder folder = new();
        string[] job = ["measure", "trace", .. CommandRun.Digits, "--samples", "64", "--probes", "16", "--device", "cuda", "--threads", "1", "--json", "--checkpoint", folder.File("job")];
        TestDevice.Bound(1L << 33);
        CommandRun whole = CommandRun.Of(job);
        string journal = folder.File($"job/{ProductJournal.FileName}");
        byte[] kept = File.Exists(journal) ? File.ReadAllBytes(journal) : [];
        File.WriteAllBytes(journal, kept[..(int)(0.9 * kept.Length)]);
        TestDevice.Bound((1L << 33) + 12345);
        CommandRun resumed = CommandRun.Of(job);
        TestDevice.Bound(0);
        (texts[Whole], texts[Resumed], texts[Said]) = (Masked(whole), Masked(resumed), resumed.Error);

        static string Masked(CommandRun run) => run.ExitCode == CurvatureCommand.Success ? OfTheClock.Masked(run.Output) : run.Error;
    }
}
