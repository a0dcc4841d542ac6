namespace Curvature.Quant.Planning;

/// <summary>All planners, by name.</summary>
public static class KnownPlanners
{
    /// <summary>The catalogue.</summary>
    public static IReadOnlyList<KnownPlanner> All { get; } =
    [
        new("exact", "the least objective there is", "Yao et al. 2021 (HAWQ-V3), solved by bounded enumeration", () => new ExactPlanner()),
        new("greedy", "from the most bits, again and again the step down that costs least for what it saves", "", () => new GreedyPlanner()),
        new("monotone", "the least objective among plans whose bits never fall where the average trace rises", "Dong et al. 2020 (HAWQ-V2); NNCF", () => new MonotonePlanner()),
    ];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(planner => planner.Name)];

    /// <summary>The planner of that name.</summary>
    /// <exception cref="CurvatureException">There is none.</exception>
    public static IPlanner Create(string name) => All.FirstOrDefault(planner => planner.Name == name)?.Create()
        ?? throw new CurvatureException($"There is no planner '{name}'; known are {string.Join(", ", Names)}.");
}
