using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>The numbers of a sharpness report to read first, and what they mean.</summary>
internal static class SharpnessHeadlines
{
    private const double NoiseExample = 0.01;

    public static IEnumerable<Headline> Of(SharpnessSummary summary)
    {
        if (summary.Largest is { } largest)
        {
            yield return summary.Matrix == "hessian"
                ? Sharpness(largest, summary.LargestStableLearningRate)
                : new("Largest eigenvalue λmax", Known(largest), $"Along one direction the matrix is {(largest.Converged ? "" : "at least ")}this large.");
        }

        if (summary.Trace is { Total: var trace })
        {
            yield return Trace(trace, summary.Parameters);
        }

        if (summary.Density is { } density)
        {
            DensityMass mass = DensityMass.Of(density);
            string band = NumberText.Of(mass.Band, 2);
            yield return new(
                "Flat directions",
                NumberText.Percent(mass.NearZero),
                $"Eigenvalues within {band} of zero, that is 1 % of the largest magnitude.");
            yield return Negative(summary.Eigenvalues.Select(eigenvalue => eigenvalue.Value).Append(density.Minimum).Min(), mass);
        }

        if (summary.Loss is { } loss)
        {
            yield return new("Loss", NumberText.Of(loss), "Value of the objective at this checkpoint.");
        }

        if (summary.GradientNorm is { } norm)
        {
            yield return new(
                "Gradient norm",
                NumberText.Of(norm),
                "0 at a stationary point. A step of length ε changes the loss by at most ε times this, to first order.");
        }
    }

    /// <summary>A Ritz value never exceeds the largest eigenvalue.</summary>
    public static string Known(Eigenvalue largest) => (largest.Converged ? "" : "at least ") + NumberText.Of(largest.Value);

    private static Headline Sharpness(Eigenvalue largest, double? rate) => new(
        "Sharpness λmax",
        Known(largest),
        rate is { } bound && !largest.Converged
            ? "It did not converge: the loss curves at least as sharply along one direction. Plain gradient descent is not stable beyond a learning rate of " +
              $"2 / λmax = {NumberText.Of(bound, 3)}, and perhaps not up to it."
        : rate is { } stable
            ? "The loss curves most sharply along one direction. Plain gradient descent is stable up to a learning rate of " +
              $"2 / λmax = {NumberText.Of(stable, 3)}."
            : "No direction of positive curvature was found.");

    // To second order, noise of covariance sigma^2 I on theta raises the loss by sigma^2 tr(H) / 2.
    private static Headline Trace(Estimate trace, long parameters) => new(
        "Trace",
        NumberText.Of(trace),
        $"Sum of all curvatures, {NumberText.Of(trace.Value / parameters, 3)} per parameter. Noise of standard deviation " +
        $"{NumberText.Of(NoiseExample, 1)} on every weight adds about " +
        $"{NumberText.Of(0.5 * NoiseExample * NoiseExample * trace.Value, 2)} to the loss.");

    private static Headline Negative(double lowest, DensityMass mass) => new(
        "Negative curvature",
        lowest < 0 ? NumberText.Of(lowest) : "none found",
        (lowest < 0 ? "Smallest eigenvalue found. A minimum has no negative one. " : "") +
        $"{NumberText.Percent(mass.Negative)} of all eigenvalues lie below −{NumberText.Of(mass.Band, 2)}.");
}
