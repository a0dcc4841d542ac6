namespace Curvature.Quant.Planning;

/// <summary>A line of <see cref="KnownPlanners"/>.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Summary">What it does.</param>
/// <param name="Source">Author, year.</param>
/// <param name="Create">Makes one.</param>
public sealed record KnownPlanner(string Name, string Summary, string Source, Func<IPlanner> Create);
