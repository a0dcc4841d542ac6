using Curvature.Objectives;
using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>The loss over a plane, <c>L(theta + x a + y b)</c>. Where it is not finite it is NaN: a gap in a figure, <c>null</c> in JSON, and a finding.</summary>
/// <param name="Across">x, ascending.</param>
/// <param name="Up">y, ascending.</param>
/// <param name="Losses">A row for each y, from the first up, with a loss for each x.</param>
public sealed record LandscapeSurface(IReadOnlyList<double> Across, IReadOnlyList<double> Up, IReadOnlyList<IReadOnlyList<double>> Losses)
{
    /// <summary>Points at which the loss is NaN or infinite.</summary>
    public int Gaps => Losses.Sum(row => row.Count(loss => !double.IsFinite(loss)));

    /// <summary>Looks over a plane. An evaluation of the objective for each point.</summary>
    /// <param name="objective">L; its parameters are moved and put back bit for bit, cancellation included.</param>
    /// <param name="a">The direction of x, <c>[P]</c>.</param>
    /// <param name="b">The direction of y, <c>[P]</c>.</param>
    /// <param name="across">Positions x.</param>
    /// <param name="up">Positions y; null: those of x.</param>
    /// <param name="progress">Told after each point.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">A direction that does not fit, is zero or not finite; a model that draws random numbers.</exception>
    public static LandscapeSurface Of(
        Objective objective,
        Tensor a,
        Tensor b,
        LandscapeAxis across,
        LandscapeAxis? up = null,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        up ??= across;
        double[] losses = new LandscapeWalk(objective, null, progress, cancellation).Losses([a, b], [.. up.Positions.SelectMany(y => across.Positions.Select(x => (double[])[x, y]))]);
        return new LandscapeSurface(across.Positions, up.Positions, [.. losses.Chunk(across.Positions.Count)]);
    }
}
