namespace Curvature.Optimizers;

/// <summary>
/// A damping that follows how well the quadratic model foretold a step: with the change delta of the parameters, <c>rho = (f(theta + delta) - f(theta)) / (g^T delta + delta^T F delta / 2)</c>, on the step's own batch. Where
/// <c>rho &gt; High</c> lambda is multiplied by <see cref="Factor"/>, where <c>rho &lt; Low</c>, or the loss after the step is not finite, divided by it; a step that the model says does nothing leaves it. Costs a forward pass and a product with the factors a look.
/// Martens and Grosse 2015, section 6.5. Departures: F is the Kronecker-factored matrix, where theirs is the batch's own; lambda is no part of the model, and an L2 term, which is what the model says it is, of neither side.
/// </summary>
public sealed record LevenbergMarquardt
{
    /// <value>Steps between two looks. Default 5.</value>
    public int Interval { get; init; } = 5;

    /// <value>omega, in (0, 1). Default <c>0.95^5</c>.</value>
    public double Factor { get; init; } = Math.Pow(0.95, 5);

    /// <value>Default 0.25.</value>
    public double Low { get; init; } = 0.25;

    /// <value>Above Low. Default 0.75.</value>
    public double High { get; init; } = 0.75;

    /// <value>The least lambda, above 0. Default 1e-8.</value>
    public double Least { get; init; } = 1e-8;

    /// <value>The largest lambda that it rises to, from Least: where the loss no longer falls but for rounding, every look raises it. Default 1e8.</value>
    public double Most { get; init; } = 1e8;

    /// <summary>Refuses settings out of range.</summary>
    internal void Check()
    {
        if (Interval < 1 || Factor is not (> 0 and < 1) || !(Low < High) || !(Least > 0) || !(Most >= Least))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected an interval from 1, a factor in (0, 1), Low below High, and 0 < Least <= Most; got {Interval}, {Factor}, {Low}, {High}, {Least}, {Most}."));
        }
    }

    /// <summary>The next lambda.</summary>
    internal double Next(double damping, double ratio) =>
        ratio > High ? Math.Max(damping * Factor, Least) : ratio >= Low ? damping : Math.Min(damping / Factor, Math.Max(damping, Most));
}
