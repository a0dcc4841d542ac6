using System.Globalization;

namespace Curvature.Distributed;

/// <summary>What started this process: mpirun, mpiexec or srun leave their mark in the environment, so that nobody else needs an MPI library.</summary>
public static class Launcher
{
    /// <summary>How many ranks were started with this one: 1 where no launcher is at work.</summary>
    public static int Ranks => Number("OMPI_COMM_WORLD_SIZE") ?? Number("PMI_SIZE") ?? (Number("PMIX_RANK") is null ? null : Number("SLURM_STEP_NUM_TASKS")) ?? 1;

    /// <summary>This one's rank as the launcher has it; 0 where no launcher is at work.</summary>
    public static int Rank => Number("OMPI_COMM_WORLD_RANK") ?? Number("PMI_RANK") ?? Number("PMIX_RANK") ?? 0;

    /// <summary>Whether it is the launcher of MPICH and its descendants.</summary>
    internal static bool IsHydra => Number("OMPI_COMM_WORLD_SIZE") is null && Number("PMI_SIZE") is not null;

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
