using System.Globalization;

namespace Curvature.Distributed;

/// <summary>What started this process: mpirun, mpiexec or srun leave their mark in the environment, so that nobody else needs an MPI library.</summary>
public static class Launcher
{
    /// <summary>How many ranks were started with this one: 1 where no launcher is at work.</summary>
    public static int Ranks => Started ?? 1;

    /// <summary>Whether a launcher started this process, if only the one: it then stands between the process and a terminal.</summary>
    public static bool IsAtWork => Started is not null;

    /// <summary>This one's rank as the launcher has it; 0 where no launcher is at work.</summary>
    public static int Rank => Number("OMPI_COMM_WORLD_RANK") ?? Number("PMI_RANK") ?? Number("PMIX_RANK") ?? 0;

    /// <summary>How many of the ranks share this machine; all of them where the launcher does not tell.</summary>
    public static int OnThisMachine => Math.Clamp(
        Number("OMPI_COMM_WORLD_LOCAL_SIZE") ?? Number("MPI_LOCALNRANKS") ?? TasksOf(Environment.GetEnvironmentVariable("SLURM_STEP_TASKS_PER_NODE"), Number("SLURM_NODEID") ?? 0) ?? Ranks, 1, Ranks);

    /// <summary>Tasks on a node by Slurm's list, in which <c>8(x3),5</c> stands for 8, 8, 8 and 5; null where it does not say.</summary>
    /// <param name="list">The list.</param>
    /// <param name="node">Which node, from 0.</param>
    public static int? TasksOf(string? list, int node)
    {
        foreach (string entry in (list ?? "").Split(','))
        {
            string[] parts = entry.TrimEnd(')').Split("(x");
            if (!int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int tasks) || !int.TryParse(parts.ElementAtOrDefault(1) ?? "1", NumberStyles.None, CultureInfo.InvariantCulture, out int nodes))
            {
                return null;
            }

            if (node < nodes)
            {
                return tasks;
            }

            node -= nodes;
        }

        return null;
    }

    /// <summary>Whether it is the launcher of MPICH and its descendants.</summary>
    internal static bool IsHydra => Number("OMPI_COMM_WORLD_SIZE") is null && Number("PMI_SIZE") is not null;

    private static int? Started => Number("OMPI_COMM_WORLD_SIZE") ?? Number("PMI_SIZE") ?? (Number("PMIX_RANK") is null ? null : Number("SLURM_STEP_NUM_TASKS"));

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
