using System.Runtime.InteropServices;

namespace Curvature.Distributed;

/// <summary>
/// The calls of MPI that are needed, with handles as the library at hand has them: addresses of its globals in Open MPI, numbers in MPICH and what descends from it (Intel MPI, MVAPICH, Cray). Both fit a machine word, and C takes
/// the half of it that it declares, so that one set of signatures serves.
/// </summary>
internal static class Mpi
{
    /// <summary>What <see cref="InitThread"/> is asked for: any thread may call, one at a time.</summary>
    public const int Serialized = 2;

    private const string Library = "mpi";

    static Mpi() => NativeLibrary.SetDllImportResolver(typeof(Mpi).Assembly, (name, _, _) => name == Library ? MpiLibrary.Loaded.Handle : IntPtr.Zero);

    [DllImport(Library, EntryPoint = "MPI_Initialized")]
    internal static extern int Initialized(out int flag);

    [DllImport(Library, EntryPoint = "MPI_Finalized")]
    internal static extern int Finalized(out int flag);

    [DllImport(Library, EntryPoint = "MPI_Init_thread")]
    internal static extern int InitThread(nint argc, nint argv, int required, out int provided);

    [DllImport(Library, EntryPoint = "MPI_Query_thread")]
    internal static extern int QueryThread(out int provided);

    [DllImport(Library, EntryPoint = "MPI_Finalize")]
    internal static extern int End();

    [DllImport(Library, EntryPoint = "MPI_Abort")]
    internal static extern int Abort(nint communicator, int code);

    [DllImport(Library, EntryPoint = "MPI_Comm_rank")]
    internal static extern int Rank(nint communicator, out int rank);

    [DllImport(Library, EntryPoint = "MPI_Comm_size")]
    internal static extern int Size(nint communicator, out int size);

    [DllImport(Library, EntryPoint = "MPI_Comm_set_errhandler")]
    internal static extern int SetErrorHandler(nint communicator, nint handler);

    [DllImport(Library, EntryPoint = "MPI_Error_string")]
    internal static extern int ErrorString(int code, ref byte text, out int length);

    [DllImport(Library, EntryPoint = "MPI_Get_library_version")]
    internal static extern int LibraryVersion(ref byte text, out int length);

    [DllImport(Library, EntryPoint = "MPI_Barrier")]
    internal static extern int Barrier(nint communicator);

    [DllImport(Library, EntryPoint = "MPI_Allreduce")]
    internal static extern int AllReduce(nint send, ref byte receive, int count, nint type, nint operation, nint communicator);

    /// <summary>On the rank that gets the sum, in place.</summary>
    [DllImport(Library, EntryPoint = "MPI_Reduce")]
    internal static extern int ReduceHere(nint send, ref byte receive, int count, nint type, nint operation, int root, nint communicator);

    /// <summary>On the others, which get nothing.</summary>
    [DllImport(Library, EntryPoint = "MPI_Reduce")]
    internal static extern int ReduceThere(ref byte send, nint receive, int count, nint type, nint operation, int root, nint communicator);

    [DllImport(Library, EntryPoint = "MPI_Bcast")]
    internal static extern int Broadcast(ref byte buffer, int count, nint type, int root, nint communicator);

    [DllImport(Library, EntryPoint = "MPI_Allgather")]
    internal static extern int AllGather(ref byte send, int sendCount, nint sendType, ref byte receive, int receiveCount, nint receiveType, nint communicator);

    [DllImport(Library, EntryPoint = "MPI_Reduce_scatter_block")]
    internal static extern int ReduceScatter(ref byte send, ref byte receive, int count, nint type, nint operation, nint communicator);
}
