using System.Runtime.InteropServices;
using System.Text;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Distributed;

/// <summary>
/// All processes that <c>mpirun</c> (or <c>srun</c>) started together, through the MPI library at hand: Open MPI, MPICH or one of its descendants. Nothing of MPI is loaded before <see cref="World"/> is asked for.
/// <para>
/// Collectives: every rank makes the same calls in the same order with tensors of the same shape and dtype. float32, float64 and int64 go as they are; bfloat16 and float16 by way of float32; tensors on a GPU by way of main memory.
/// Sums have the same bits on every rank and in a repeated run with as many ranks, as far as the library's algorithms add in a fixed order: those of Open MPI and MPICH do.
/// </para>
/// <para>Any thread may call, one at a time. MPI's own errors are <see cref="CurvatureException"/>s with its text.</para>
/// </summary>
public sealed class Communicator : IRanks, IDisposable
{
    private const int LongestText = 8192;

    /// <summary>Time in which a rank 0 with the same error speaks for all.</summary>
    private static readonly TimeSpan Precedence = TimeSpan.FromSeconds(1);

    private static readonly Lock Gate = new();
    private static Communicator? _world;

    private readonly MpiLibrary _mpi;

    private Communicator(MpiLibrary mpi)
    {
        _mpi = mpi;
        Check(Mpi.Initialized(out int running), "MPI_Initialized");
        Check(Mpi.Finalized(out int over), "MPI_Finalized");
        if (over != 0)
        {
            throw new CurvatureException("MPI was finalised in this process and cannot be started a second time: dispose the communicator last.");
        }

        int threads;
        if (running == 0)
        {
            Check(Mpi.InitThread(0, 0, Mpi.Serialized, out threads), "MPI_Init_thread");
        }
        else
        {
            Check(Mpi.QueryThread(out threads), "MPI_Query_thread");
        }

        try
        {
            RequireThreads(threads, isOurs: running == 0);
        }
        catch (CurvatureException) when (running == 0)
        {
            _ = Mpi.End(); // begun here, and of no use
            throw;
        }

        Check(Mpi.SetErrorHandler(mpi.World, mpi.ErrorsReturn), "MPI_Comm_set_errhandler");
        Check(Mpi.Rank(mpi.World, out int rank), "MPI_Comm_rank");
        Check(Mpi.Size(mpi.World, out int size), "MPI_Comm_size");
        (Rank, Count) = (rank, size);
    }

    /// <summary>The processes started together. Loads MPI and starts it when first asked for; the caller disposes it, at the end of the program and once.</summary>
    /// <exception cref="CurvatureException">No MPI library, one that another launcher started the ranks for, or one that was finalised.</exception>
    public static Communicator World
    {
        get
        {
            lock (Gate)
            {
                return _world ??= Start();
            }
        }
    }

    /// <summary>Elements a call, no fewer than there are ranks: MPI counts in 32 bits, and a span's bytes too. Tests have few, so that there are many calls.</summary>
    internal static long Chunk { get; set; } = 1 << 26;

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Count { get; }

    /// <inheritdoc/>
    public int OnThisMachine => Launcher.OnThisMachine;

    /// <summary>The library's name and version, one line.</summary>
    public static string Library
    {
        get
        {
            byte[] text = new byte[LongestText];
            _ = MpiLibrary.Loaded;
            Check(Mpi.LibraryVersion(ref text[0], out int length), "MPI_Get_library_version");
            return Encoding.UTF8.GetString(text, 0, length).Split('\n')[0].Replace('\t', ' ').TrimEnd('\0', ' ');
        }
    }

    /// <summary>
    /// Runs a program on every rank: an error on one is printed with the rank's number and ends all ranks, so that none waits for it. Where no launcher is at work the program runs alone, MPI is not loaded, and errors are the caller's.
    /// </summary>
    /// <param name="program">Gets the ranks; what it returns is the process's exit code. A code other than 0 ends all ranks too.</param>
    /// <returns>The code. MPI is over then: a process runs one such program.</returns>
    public static int Run(Func<IRanks, int> program)
    {
        ArgumentNullException.ThrowIfNull(program);
        if (Launcher.Ranks == 1)
        {
            return program(OneRank.Instance);
        }

        Communicator world;
        try
        {
            world = World;
        }
        catch (CurvatureException error) // no library, or another one than the launcher's: the same on every rank
        {
            if (Launcher.Rank == 0)
            {
                Console.Error.WriteLine(error.Message);
            }

            return 1;
        }

        int code;
        try
        {
            code = program(world);
        }
        catch (Exception error) // the outermost frame: whatever went wrong becomes one message
        {
            if (world.Rank > 0)
            {
                Thread.Sleep(Precedence); // an error of all ranks is told once
            }

            Console.Error.WriteLine($"Rank {world.Rank} of {world.Count}: {(error is CurvatureException or OperationCanceledException ? error.Message : error.ToString())}");
            Console.Error.Flush();
            world.Abort(1);
            return 1;
        }

        if (code != 0)
        {
            world.Abort(code);
        }

        world.Dispose();
        return code;
    }

    /// <inheritdoc/>
    public void Sum(Tensor values) => InMainMemory(values, values => Pieces(values, piece =>
        Check(Mpi.AllReduce(_mpi.InPlace, ref First(piece), (int)piece.numel(), TypeOf(piece), _mpi.Sum, _mpi.World), "MPI_Allreduce")));

    /// <inheritdoc/>
    public void SumTo(Tensor values, int to) => InMainMemory(values, values => Pieces(values, piece =>
    {
        (int count, nint type) = ((int)piece.numel(), TypeOf(piece));
        Check(
            Rank == to
                ? Mpi.ReduceHere(_mpi.InPlace, ref First(piece), count, type, _mpi.Sum, to, _mpi.World)
                : Mpi.ReduceThere(ref First(piece), 0, count, type, _mpi.Sum, to, _mpi.World),
            "MPI_Reduce");
    }), bringsBack: Rank == to);

    /// <inheritdoc/>
    /// <param name="values">Contiguous, any dtype of fixed size, of the same shape and dtype on every rank.</param>
    /// <param name="from">Whose.</param>
    public void Broadcast(Tensor values, int from = 0) => InMainMemory(values, values => Pieces(values, piece =>
        Check(Mpi.Broadcast(ref First(piece), (int)(piece.numel() * piece.ElementSize), _mpi.Byte, from, _mpi.World), "MPI_Bcast")), converts: false);

    /// <summary>The ranks' tensors one after the other, <c>[Count, ...]</c>, in the caller's scope.</summary>
    /// <param name="values">Of the same shape and dtype on every rank.</param>
    public Tensor AllGather(Tensor values)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor own = values.detach().cpu().contiguous().reshape(-1);
        Tensor all = empty([Count, own.numel()], own.dtype);
        for (long first = 0; first < own.numel(); first += Chunk / Count)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(Chunk / Count, own.numel() - first);
            Tensor piece = own.narrow(0, first, count), gathered = empty([Count, count], own.dtype);
            int bytes = (int)(count * own.ElementSize);
            Check(Mpi.AllGather(ref First(piece), bytes, _mpi.Byte, ref First(gathered), bytes, _mpi.Byte, _mpi.World), "MPI_Allgather");
            all.narrow(1, first, count).copy_(gathered);
        }

        return all.reshape([Count, .. values.shape]).to(values.device).MoveToOuterDisposeScope();
    }

    /// <summary>This rank's row of the sum over ranks of <c>[Count, ...]</c>, in the caller's scope: what <see cref="Sum(Tensor)"/> would give, of which only this row travels here.</summary>
    /// <param name="values">float32, float64 or int64, first dimension <see cref="Count"/>, of the same shape on every rank.</param>
    public Tensor ReduceScatter(Tensor values)
    {
        if (values.dim() == 0 || values.shape[0] != Count)
        {
            throw new CurvatureException($"A row a rank is scattered: expected [{Count}, ...]; got [{string.Join(", ", values.shape)}].");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = values.detach().cpu().contiguous().reshape(Count, -1);
        Tensor row = empty(rows.shape[1], rows.dtype);
        for (long first = 0; first < row.numel(); first += Chunk / Count)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(Chunk / Count, row.numel() - first);
            Tensor sent = rows.narrow(1, first, count).contiguous(), received = row.narrow(0, first, count);
            Check(Mpi.ReduceScatter(ref First(sent), ref First(received), (int)count, TypeOf(sent), _mpi.Sum, _mpi.World), "MPI_Reduce_scatter_block");
        }

        return row.reshape(values.shape[1..]).to(values.device).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Barrier() => Check(Mpi.Barrier(_mpi.World), "MPI_Barrier");

    /// <summary>Ends all ranks at once, wherever they are: say what went wrong first.</summary>
    /// <param name="code">The exit code.</param>
    public void Abort(int code = 1) => _ = Mpi.Abort(_mpi.World, code);

    /// <summary>Ends MPI in this process; waits for the other ranks to do so too.</summary>
    public void Dispose()
    {
        if (Mpi.Finalized(out int over) == 0 && over == 0)
        {
            Check(Mpi.End(), "MPI_Finalize");
        }
    }

    /// <summary>Refuses a library that lets one thread alone call it: those of .NET that work and those that watch the clock are others than the one that began.</summary>
    /// <param name="level">What the library has granted.</param>
    /// <param name="isOurs">Whether MPI was begun here, or by the program.</param>
    /// <exception cref="CurvatureException">Too little.</exception>
    internal static void RequireThreads(int level, bool isOurs)
    {
        if (level >= Mpi.Serialized)
        {
            return;
        }

        string granted = level switch { 0 => "MPI_THREAD_SINGLE", 1 => "MPI_THREAD_FUNNELED", _ => $"thread level {level}" };
        throw new CurvatureException($"MPI was begun with {granted}, which lets one thread alone call it; MPI_THREAD_SERIALIZED is needed, as any thread may call here, one at a time. "
            + (isOurs ? "Take an MPI library that is built with support for threads: those of Debian are." : "Begin it by MPI_Init_thread with that level, or leave it to Communicator.World."));
    }

    private static Communicator Start()
    {
        Communicator world = new(MpiLibrary.Loaded);
        return world.Count == Launcher.Ranks
            ? world
            : throw new CurvatureException(
                $"The launcher started {Launcher.Ranks} ranks, and the MPI library that was loaded ({Library}) sees {world.Count}: it is another one than the launcher's. "
                + "Use the mpirun that belongs to it, or name its library's file in the environment variable CURVATURE_MPI.");
    }

    /// <summary>Does something to a tensor in place, by way of a copy where MPI cannot reach it or does not know its dtype.</summary>
    private static void InMainMemory(Tensor values, Action<Tensor> act, bool converts = true, bool bringsBack = true)
    {
        if (!values.is_contiguous())
        {
            throw new CurvatureException($"Tensors that go over MPI in place are contiguous; got [{string.Join(", ", values.shape)}] with strides.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor plain = values.detach();
        ScalarType dtype = converts && plain.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? ScalarType.Float32 : plain.dtype;
        Tensor near = plain.to(dtype).cpu();
        act(near.reshape(-1));
        if (bringsBack && (dtype != plain.dtype || plain.device.type != DeviceType.CPU))
        {
            plain.copy_(near);
        }
    }

    private static void Pieces(Tensor values, Action<Tensor> act)
    {
        for (long first = 0; first < values.numel(); first += Chunk)
        {
            using Tensor piece = values.narrow(0, first, Math.Min(Chunk, values.numel() - first));
            act(piece);
        }
    }

    private static ref byte First(Tensor values) => ref MemoryMarshal.GetReference(values.bytes);

    private static void Check(int code, string call)
    {
        if (code == 0)
        {
            return;
        }

        byte[] text = new byte[LongestText];
        string what = Mpi.ErrorString(code, ref text[0], out int length) == 0 ? Encoding.UTF8.GetString(text, 0, length) : $"error {code}";
        throw new CurvatureException($"{call} failed: {what}.");
    }

    private nint TypeOf(Tensor values) => values.dtype switch
    {
        ScalarType.Float32 => _mpi.Float,
        ScalarType.Float64 => _mpi.Double,
        ScalarType.Int64 => _mpi.Int64,
        _ => throw new CurvatureException($"Ranks add float32, float64, int64 and, by way of float32, bfloat16 and float16; got {values.dtype}."),
    };
}
