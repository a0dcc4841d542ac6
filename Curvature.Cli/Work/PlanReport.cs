using Curvature.Quant.Planning;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>What <c>plan</c> found.</summary>
internal sealed record PlanReport
{
    public required PlanRequest Request { get; init; }

    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    public required PlanningProblem Problem { get; init; }

    public required BitPlan Plan { get; init; }

    /// <summary>Other plans to compare with: of other searches, and of one width throughout.</summary>
    public required IReadOnlyList<(string Name, BitPlan Plan)> Others { get; init; }

    /// <summary>Under the cost of the first limit.</summary>
    public required ParetoFrontier Frontier { get; init; }

    /// <summary>Null where the table has no standard errors.</summary>
    public required ChoiceUncertainty? Uncertainty { get; init; }

    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>Whether a plan keeps all limits.</summary>
    public bool Keeps(BitPlan plan) => Request.Limits.All(limit => plan.Cost(limit.Cost) <= limit.MostOf(Problem) * (limit.Cost == PlanCost.Latency ? 1 + 1e-12 : 1));
}
