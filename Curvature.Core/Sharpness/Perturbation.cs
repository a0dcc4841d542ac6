using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>An objective away from where its parameters are; they are put back bit for bit, whatever happens.</summary>
internal static class Perturbation
{
    /// <summary><c>L(theta + e)</c>.</summary>
    public static double Value(Objective objective, Tensor e, CancellationToken cancellation) => At(objective, e, () => objective.Value(cancellation));

    /// <summary>What <paramref name="measure"/> gives at <c>theta + e</c>.</summary>
    public static T At<T>(Objective objective, Tensor e, Func<T> measure)
    {
        using Tensor theta = objective.Parameters.Snapshot();
        try
        {
            using Tensor moved = theta.add(e);
            objective.Parameters.Assign(moved);
            return measure();
        }
        finally
        {
            objective.Parameters.Assign(theta);
        }
    }
}
