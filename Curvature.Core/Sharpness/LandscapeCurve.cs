using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>The loss along a line, <c>L(theta + t d)</c>. Where it is not finite it is NaN: a gap in a figure, <c>null</c> in JSON, and a finding.</summary>
/// <param name="Positions">t, ascending.</param>
/// <param name="Losses">L at each of them.</param>
public sealed record LandscapeCurve(IReadOnlyList<double> Positions, IReadOnlyList<double> Losses)
{
    /// <summary><c>L(theta)</c>, <c>g^T d</c> and <c>d^T H d</c>, where a Hessian was given: the loss along the line is <see cref="Predicted"/> up to third order.</summary>
    public (double Loss, double Slope, double Curvature)? Quadratic { get; init; }

    /// <summary>Positions at which the loss is NaN or infinite.</summary>
    public int Gaps => Losses.Count(loss => !double.IsFinite(loss));

    /// <summary>
    /// How far the loss rises above the straight line between its values at 0 and at 1, at most, over the positions between: of a line between two networks the barrier that keeps them apart (Frankle, Dziugaite, Roy
    /// and Carbin 2020, Linear Mode Connectivity and the Lottery Ticket Hypothesis, section 3; a departure: their instability is the rise of the largest loss above the mean of the two ends, which is positive without any
    /// barrier where the ends differ). 0 where it lies below; NaN where 0 or 1 is no position, and infinite where the loss is not finite between them.
    /// </summary>
    public double Barrier
    {
        get
        {
            double start = At(0), end = At(1);
            double[] rises = [.. Positions.Zip(Losses).Where(p => p.First is >= 0 and <= 1).Select(p => p.Second - (((1 - p.First) * start) + (p.First * end)))];
            return double.IsNaN(start + end) ? double.NaN : rises.Any(double.IsNaN) ? double.PositiveInfinity : Math.Max(0, rises.Max());
        }
    }

    /// <summary><c>L + g^T d t + d^T H d t^2 / 2</c>; NaN where no Hessian was given.</summary>
    public double Predicted(double t) => Quadratic is { } q ? q.Loss + (q.Slope * t) + (q.Curvature * t * t / 2) : double.NaN;

    /// <summary>Looks along a direction. An evaluation of the objective for each position; with a Hessian a product and a gradient more.</summary>
    /// <param name="objective">L; its parameters are moved and put back bit for bit, cancellation included.</param>
    /// <param name="direction">d, <c>[P]</c>: <see cref="LandscapeDirections.FilterNormalised"/>, an eigenvector, an update.</param>
    /// <param name="axis">The positions.</param>
    /// <param name="hessian">For <see cref="Quadratic"/>; null: none.</param>
    /// <param name="progress">Told after each position.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">A direction that does not fit, is zero or not finite; a model that draws random numbers.</exception>
    public static LandscapeCurve Of(
        Objective objective,
        Tensor direction,
        LandscapeAxis axis,
        LinearOperator? hessian = null,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        double[] losses = new LandscapeWalk(objective, null, progress, cancellation).Losses([direction], [.. axis.Positions.Select(t => (double[])[t])]);
        return new LandscapeCurve(axis.Positions, losses) { Quadratic = hessian is null ? null : Model(objective, direction, hessian, cancellation) };
    }

    /// <summary>
    /// Looks along the line from where the tensors are, t = 0, to <paramref name="end"/>, t = 1 (Goodfellow, Vinyals and Saxe 2015, Qualitatively Characterizing Neural Network Optimization Problems).
    /// </summary>
    /// <param name="objective">L.</param>
    /// <param name="end">Where the line leads, <c>[P]</c> in the order of <paramref name="moved"/>.</param>
    /// <param name="axis">The positions; with 0 and 1 among them there is a <see cref="Barrier"/>.</param>
    /// <param name="moved">What is moved and put back bit for bit; null: the objective's parameters. Two networks with batch norm differ in its running statistics too: a space of parameters and floating buffers.</param>
    /// <param name="progress">Told after each position.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">An end that does not fit, is not finite, or is where the tensors are; a model that draws random numbers.</exception>
    public static LandscapeCurve Between(
        Objective objective,
        Tensor end,
        LandscapeAxis axis,
        ParameterSpace? moved = null,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor theta = (moved ?? objective.Parameters).Snapshot();
        if (end.dim() != 1 || end.numel() != theta.numel() || end.dtype != theta.dtype)
        {
            throw new CurvatureException($"The end of the line is a vector [{theta.numel()}] of {theta.dtype}; got [{string.Join(", ", end.shape)}] of {end.dtype}.");
        }

        double[] losses = new LandscapeWalk(objective, moved, progress, cancellation).Losses([end.detach().sub(theta)], [.. axis.Positions.Select(t => (double[])[t])]);
        return new LandscapeCurve(axis.Positions, losses);
    }

    private static (double, double, double) Model(Objective objective, Tensor direction, LinearOperator hessian, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor d = direction.detach();
        double[] dots = Precision.Dots((objective.Gradient(cancellation), d), (d, hessian.Apply(d)));
        return (objective.Value(cancellation), dots[0], dots[1]);
    }

    private double At(double t)
    {
        const double Rounding = 1e-12;
        int i = Enumerable.Range(0, Positions.Count).FirstOrDefault(k => Math.Abs(Positions[k] - t) < Rounding, -1);
        return i < 0 ? double.NaN : Losses[i];
    }
}
