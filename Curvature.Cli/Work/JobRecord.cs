using System.Globalization;
using System.Runtime.Intrinsics.X86;
using Curvature.Cli.Output;
using Curvature.Objectives;
using Curvature.Operators;

namespace Curvature.Cli.Work;

/// <summary>What a job finds again after it was killed, if it was told of a folder for that: its products, and what it read from clock and memory. Without a folder nothing is kept.</summary>
internal sealed class JobRecord : IDisposable
{
    private readonly string? _folder;
    private readonly IRanks _ranks;

    private JobRecord(string? folder, ProductJournal? journal, IRanks ranks) => (_folder, Journal, _ranks) = (folder, journal, ranks);

    /// <summary>The file; null without a folder.</summary>
    public ProductJournal? Journal { get; }

    /// <summary>The time that earlier runs of the job took.</summary>
    public TimeSpan Before => Journal?.Before ?? TimeSpan.Zero;

    /// <summary>Nothing is kept.</summary>
    public static JobRecord None { get; } = new(null, null, OneRank.Instance);

    /// <summary>Opens the record of what is asked, and says so where there is something to go on from.</summary>
    /// <exception cref="CurvatureException">The folder holds another job's, or cannot be written.</exception>
    public static JobRecord Open(WorkRequest request, Workspace work, Terminal terminal)
    {
        Interruption.Checkpoint = null;
        if (request.Checkpoint is not { } folder)
        {
            return new JobRecord(null, null, work.Ranks);
        }

        Interruption.Checkpoint = folder;
        var journal = ProductJournal.Open(folder, Job(request, work), terminal.Say, work.Ranks);
        if (journal.Recorded > 0)
        {
            terminal.Say($"{folder}: {Format.Count(journal.Recorded, "product")} of an earlier run, which took {Format.Duration(journal.Before)}; the job goes on from there.");
        }

        return new JobRecord(folder, journal, work.Ranks);
    }

    /// <summary>A number of this run, or what it was in the run that is gone on from; rank 0's on all ranks.</summary>
    public double Reading(string name, Func<double> measure) => Journal?.Reading(name, measure) ?? _ranks.FromFirst(_ranks.Rank == 0 ? measure() : 0);

    /// <summary>An operator whose products are kept.</summary>
    public LinearOperator Of(LinearOperator a, string name) => Journal?.Record(a, name) ?? a;

    /// <summary>Says how much room products and quadratic forms take on the disk, and how much there is.</summary>
    /// <param name="kept">How many of each kind are planned, and what one takes.</param>
    /// <param name="terminal">Told.</param>
    public void Announce(IReadOnlyList<(double Count, double Bytes, string Name)> kept, Terminal terminal)
    {
        (double Count, double Bytes, string Name)[] planned = [.. kept.Where(kind => kind.Count > 0)];
        if (Journal is null || _ranks.Rank > 0 || planned.Length == 0)
        {
            return;
        }

        double bytes = planned.Sum(kind => kind.Count * kind.Bytes), free = FreeDisk(_folder!);
        string warning = bytes - Journal.Size > free ? " That does not fit: the products that do are kept, and the job goes on." : "";
        terminal.Say($"{_folder}: the checkpoint takes {string.Join(" and ", planned.Select(kind => $"{Format.Bytes(kind.Bytes)} a {kind.Name}"))}, up to about {Format.Bytes(bytes)} in all; {Format.Bytes(free)} are free.{warning}");
    }

    /// <summary>Bytes that are free on the disk of a folder, which need not exist.</summary>
    public static double FreeDisk(string folder)
    {
        string existing = Path.GetFullPath(folder);
        while (!Directory.Exists(existing))
        {
            existing = Path.GetDirectoryName(existing)!; // ends at the root
        }

        return new DriveInfo(existing).AvailableFreeSpace;
    }

    public void Dispose() => Journal?.Dispose();

    /// <summary>All that the numbers depend on.</summary>
    private static List<KeyValuePair<string, string>> Job(WorkRequest request, Workspace work)
    {
        var circumstances = new EnvironmentReport();
        circumstances.AddEngine();
        work.Describe(circumstances);
        string[] elsewhere = ["model", "data", "os", "dotnet", "seed", "ranks"];
        List<KeyValuePair<string, string>> job =
        [
            .. circumstances.Entries.Where(entry => !elsewhere.Contains(entry.Key)).Select(entry => KeyValuePair.Create(entry.Key, $"{entry.Value}")),
            KeyValuePair.Create("build", string.Join(' ', ((Type[])[typeof(JobRecord), typeof(LinearOperator), typeof(TorchSharp.torch)]).Select(type => type.Module.ModuleVersionId.ToString("N")[..8]))), // versions alone do not tell what was compiled
            KeyValuePair.Create("blas", Blas.Loaded),
            KeyValuePair.Create("instructions", Avx512F.IsSupported ? "AVX-512" : Avx2.IsSupported ? "AVX2" : "baseline"),
            KeyValuePair.Create("ranks", work.Ranks.Count.ToString(CultureInfo.InvariantCulture)),
            KeyValuePair.Create("threads", request.Threads.ToString(CultureInfo.InvariantCulture)),
            KeyValuePair.Create("--budget", request.Budget.TotalMinutes.ToString(CultureInfo.InvariantCulture)),
            KeyValuePair.Create("--samples", request.Samples?.ToString(CultureInfo.InvariantCulture) ?? "not given"),
        ];
        if (request.ModelType is { } type && type.Split('!') is [var assembly, _])
        {
            job.Add(KeyValuePair.Create("model_type_sha256", EnvironmentReport.Sha256(assembly)));
        }

        return [.. job, .. request.Given];
    }
}
