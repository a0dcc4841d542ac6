using System.Runtime.InteropServices;

namespace Curvature.Distributed;

/// <summary>The MPI library, found when it is first needed, and its handles.</summary>
internal sealed record MpiLibrary
{
    private const string Remedy =
        "Install it (Debian: apt-get install openmpi-bin libopenmpi3, or mpich), or name the library's file in the environment variable CURVATURE_MPI.";

    private const int Now = 2, Global = 0x100; // dlopen's flags on Linux

    private static readonly string[] OpenMpi = ["libmpi.so.40", "libmpi.so"], Mpich = ["libmpich.so.12", "libmpi.so.12"];

    private static readonly Lazy<MpiLibrary> Found = new(Open);

    /// <summary>The library of this process.</summary>
    /// <exception cref="CurvatureException">There is none.</exception>
    public static MpiLibrary Loaded => Found.Value;

    /// <summary>What the loader gave.</summary>
    public required nint Handle { get; init; }

    /// <summary>MPI_COMM_WORLD.</summary>
    public required nint World { get; init; }

    /// <summary>MPI_FLOAT.</summary>
    public required nint Float { get; init; }

    /// <summary>MPI_DOUBLE.</summary>
    public required nint Double { get; init; }

    /// <summary>MPI_INT64_T.</summary>
    public required nint Int64 { get; init; }

    /// <summary>MPI_BYTE.</summary>
    public required nint Byte { get; init; }

    /// <summary>MPI_SUM.</summary>
    public required nint Sum { get; init; }

    /// <summary>MPI_IN_PLACE.</summary>
    public required nint InPlace { get; init; }

    /// <summary>MPI_ERRORS_RETURN.</summary>
    public required nint ErrorsReturn { get; init; }

    private static MpiLibrary Open()
    {
        // .NET's runtime has handlers of its own for signals (a null reference arrives as one); Open MPI, and UCX below either library, would put their stack traces in their place.
        _ = SetEnvironment("OMPI_MCA_opal_signal", "6", 0);
        _ = SetEnvironment("UCX_HANDLE_ERRORS", "none", 0);
        nint library = Load();
        if (!NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out nint world))
        {
            return NativeLibrary.TryGetExport(library, "MPI_Init_thread", out _)
                ? new MpiLibrary
                {
                    Handle = library,
                    World = 0x44000000,
                    Float = 0x4c00040a,
                    Double = 0x4c00080b,
                    Int64 = 0x4c00083a,
                    Byte = 0x4c00010d,
                    Sum = 0x58000003,
                    InPlace = -1,
                    ErrorsReturn = 0x54000001,
                }
                : throw new CurvatureException($"The library loaded for MPI has no MPI_Init_thread. {Remedy}");
        }

        nint Address(string name) => NativeLibrary.GetExport(library, name);
        return new MpiLibrary
        {
            Handle = library,
            World = world,
            Float = Address("ompi_mpi_float"),
            Double = Address("ompi_mpi_double"),
            Int64 = Address("ompi_mpi_int64_t"),
            Byte = Address("ompi_mpi_byte"),
            Sum = Address("ompi_mpi_op_sum"),
            InPlace = 1,
            ErrorsReturn = Address("ompi_mpi_errors_return"),
        };
    }

    private static nint Load()
    {
        string? named = Environment.GetEnvironmentVariable("CURVATURE_MPI");
        string[] names = !string.IsNullOrEmpty(named) ? [named] : Launcher.IsHydra ? [.. Mpich, .. OpenMpi] : [.. OpenMpi, .. Mpich];
        foreach (string name in names)
        {
            // Open MPI's plug-ins look for its symbols among the global ones.
            if (OperatingSystem.IsLinux() ? Open(name, Now | Global) is not 0 and nint found : NativeLibrary.TryLoad(name, out found))
            {
                return found;
            }
        }

        throw new CurvatureException($"No MPI library could be loaded; tried {string.Join(", ", names)}. {Remedy}");
    }

    [DllImport("libc", EntryPoint = "dlopen", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern nint Open(string file, int flags);

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetEnvironment(string name, string value, int overwrite);
}
