using System.Globalization;
using System.Runtime.InteropServices;
using Curvature.Cli.Output;
using Curvature.Distributed;
using Curvature.Objectives;

namespace Curvature.Cli.Work;

/// <summary>
/// The processes that <c>mpirun</c> or <c>srun</c> started to do one job together, if any. Rank 0 speaks and writes; the others are heard only when they alone fail. Whatever ends one ends all. MPI is not loaded before
/// <see cref="Join"/>, and never where no launcher is at work.
/// </summary>
internal static class Team
{
    /// <summary>Threads that a process may be told to have.</summary>
    public const int MostThreads = 1024;

    // How long a rank lets one with a lower number speak for all, and then MPI try to end them.
    private static readonly TimeSpan Precedence = TimeSpan.FromSeconds(2), Last = TimeSpan.FromSeconds(3);

    // Errors of many ranks at once are mostly one; where they are not, some are told twice.
    private const int MostPrecedence = 2;

    // mpirun asks politely and kills a second later.
    private static readonly TimeSpan Mercy = TimeSpan.FromSeconds(1.5);

    private static Communicator? _world;
    private static WatchedRanks? _watched;
    private static bool _joining;

    /// <summary>How many there are.</summary>
    public static int Count => Launcher.Ranks;

    /// <summary>Whether this process speaks and writes for all.</summary>
    public static bool Leads => Count == 1 || Launcher.Rank == 0;

    /// <summary>Threads of this process unless it is told otherwise: <c>OMP_NUM_THREADS</c>, or else its share of the cores, those that the launcher bound it to and no more than all of them divided by the ranks here.</summary>
    public static int Threads
    {
        get
        {
            if (int.TryParse(Environment.GetEnvironmentVariable("OMP_NUM_THREADS")?.Split(',')[0], NumberStyles.None, CultureInfo.InvariantCulture, out int told) && told is > 0 and <= MostThreads)
            {
                return told;
            }

            const string Processors = "/proc/cpuinfo";
            int all = Count > 1 && File.Exists(Processors) ? File.ReadLines(Processors).Count(line => line.StartsWith("processor", StringComparison.Ordinal)) : Environment.ProcessorCount;
            return Math.Max(1, Math.Min(Environment.ProcessorCount, all / Launcher.OnThisMachine));
        }
    }

    /// <summary>Whether the ranks do the command together. Otherwise it is the work of one process, which rank 0 does as if there were no other.</summary>
    public static bool IsTogether { get; set; }

    /// <summary>The ranks, all of which call this. Where there is but one process, or one that works, that one.</summary>
    /// <param name="limit">How long to wait for another rank before the job is ended.</param>
    /// <exception cref="CurvatureException">No MPI library, or another one than the launcher's.</exception>
    public static IRanks Join(TimeSpan limit)
    {
        if (!IsTogether)
        {
            return OneRank.Instance;
        }

        if (_world is null)
        {
            _joining = true;
            using var timer = new Timer(_ => Expire(limit), null, limit, Timeout.InfiniteTimeSpan); // MPI waits for a rank that does not come, too
            _world = Communicator.World;
        }

        return _watched ??= new WatchedRanks(_world, limit, () => Expire(limit));
    }

    /// <summary>Has rank 0 look at something before any work, such as where results go; what is wrong with it ends all. All ranks call this.</summary>
    /// <param name="limit">As of <see cref="Join"/>.</param>
    /// <param name="look">Throws where it is wrong.</param>
    /// <exception cref="CurvatureException">It is wrong.</exception>
    public static void Look(TimeSpan limit, Action look) => Join(limit).Together(() =>
    {
        if (Leads)
        {
            look();
        }
    });

    /// <summary>The words that an error of this process begins with; null where another one has said it or will.</summary>
    public static string? Prefix
    {
        get
        {
            if (Leads)
            {
                return "error: ";
            }

            if (!_joining)
            {
                return null; // a command line that is wrong is wrong on all
            }

            Thread.Sleep(Math.Min(Launcher.Rank, MostPrecedence) * Precedence);
            return $"error: rank {Launcher.Rank} of {Count}: ";
        }
    }

    /// <summary>Gives the rank that says what went wrong, and then ends all, the time to do both.</summary>
    public static void Await() => Thread.Sleep(Last);

    /// <summary>Gives a launcher that ends all ranks, because another one failed and has said why, the time to end this one too before it says that it was cancelled.</summary>
    public static void Yield()
    {
        if (_world is not null)
        {
            Thread.Sleep(Mercy);
        }
    }

    /// <summary>Ends MPI where it was begun: together, or at once on all ranks if this one failed.</summary>
    /// <param name="code">The exit code.</param>
    /// <returns>The exit code.</returns>
    public static int End(int code)
    {
        _watched?.Dispose();
        if (_world is null)
        {
            return code;
        }

        if (code == CurvatureCommand.Success)
        {
            _world.Dispose();
        }
        else
        {
            Console.Error.Flush();
            _world.Abort(code);
        }

        return code;
    }

    /// <summary>Ends all ranks while this one's thread waits for another.</summary>
    private static void Expire(TimeSpan limit)
    {
        if (Prefix is { } prefix)
        {
            Console.Error.WriteLine($"{prefix}waited {Format.Duration(limit)} for the other ranks: one of them hangs, or is slower than that. --rank-timeout SECONDS waits longer.");
            Console.Error.Flush();
        }

        new Thread(() => _world?.Abort(CurvatureCommand.Failed)) { IsBackground = true }.Start();
        Thread.Sleep(Last);
        Leave(CurvatureCommand.Failed); // MPI did not end it; the launcher ends the others when it sees this
    }

    /// <summary>Ends the process as it is: its main thread waits inside MPI and can do nothing any more.</summary>
    [DllImport("libc", EntryPoint = "_exit")]
    private static extern void Leave(int code);
}
