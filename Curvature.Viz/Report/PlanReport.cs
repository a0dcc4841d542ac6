using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>A bit-width plan's material: the choice there was, the plan, what it is compared with, and what a reader must know about it.</summary>
public sealed record PlanReport
{
    /// <summary>The model's name, or the table's.</summary>
    public required string Name { get; init; }

    /// <summary>Versions, device, threads, seed, file hashes, seconds: names in snake case, in the order shown.</summary>
    public required IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; }

    /// <summary>Layers, costs and sensitivities.</summary>
    public required PlanningProblem Problem { get; init; }

    /// <summary>The plan.</summary>
    public required BitPlan Plan { get; init; }

    /// <summary>How it was looked for, one of <see cref="KnownPlanners.Names"/>.</summary>
    public required string Search { get; init; }

    /// <summary>What it keeps.</summary>
    public required IReadOnlyList<Limit> Limits { get; init; }

    /// <summary>The share of the accuracy in floating point that the plan was made to keep; <see cref="Limits"/> is then its own size, to compare others with. Null: limits were given.</summary>
    public double? Kept { get; init; }

    /// <summary>The loss to second order with the terms between layers, which no <see cref="BitPlan.Objective"/> has; null where they were not measured.</summary>
    public QuadraticModel? Terms { get; init; }

    /// <summary>Other plans to compare with: of other searches, and of one width throughout.</summary>
    public required IReadOnlyList<(string Name, BitPlan Plan)> Others { get; init; }

    /// <summary>Under the cost of the first limit.</summary>
    public required ParetoFrontier Frontier { get; init; }

    /// <summary>Null where the table has no standard errors.</summary>
    public ChoiceUncertainty? Uncertainty { get; init; }

    /// <summary>What was measured with the network; null where a table was all there was.</summary>
    public PlanMeasurement? Measured { get; init; }

    /// <summary>What a reader must know, the most serious first.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];

    /// <summary>The exact command that repeats it.</summary>
    public string? Command { get; init; }

    /// <summary>What the loss rises by under a plan with the terms between layers; null where they are not known at its bits.</summary>
    public double? WithTerms(BitPlan plan) => Terms is { } model && plan.Bits.All(model.Knows) ? model.Increase(plan.Bits) : null;

    /// <summary>Whether a plan keeps all limits.</summary>
    public bool Keeps(BitPlan plan) => Limits.All(limit => plan.Cost(limit.Cost) <= limit.MostOf(Problem) * (limit.Cost == PlanCost.Latency ? 1 + 1e-12 : 1));
}
