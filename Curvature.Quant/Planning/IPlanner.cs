namespace Curvature.Quant.Planning;

/// <summary>A way to choose bits within limits.</summary>
public interface IPlanner
{
    /// <summary>A plan of small objective within all <paramref name="limits"/>.</summary>
    /// <param name="problem">The table's choices.</param>
    /// <param name="limits">At least one.</param>
    /// <param name="cancellation">Looked at between units.</param>
    /// <exception cref="InfeasibleLimitException">No plan that this planner can make keeps the limits; the message has the feasible range.</exception>
    /// <exception cref="CurvatureException">No limits, or the table does not say what a limit is about.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    BitPlan Plan(PlanningProblem problem, IReadOnlyList<Limit> limits, CancellationToken cancellation = default);
}
