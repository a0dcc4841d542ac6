namespace Curvature.Pruning;

/// <summary>From one sparsity to another in several steps.</summary>
public static class PruningSchedule
{
    /// <summary>
    /// Densities that fall by one factor a step, <c>1 - s_j = (1 - s_0) f^j</c>, <c>f = ((1 - s_n) / (1 - s_0))^(1/n)</c>: every step takes the same share of what is left (Frantar,
    /// Kurtic, Alistarh 2021, section 4.1).
    /// </summary>
    /// <param name="from">s_0, at least 0.</param>
    /// <param name="to">s_n, above s_0 and below 1.</param>
    /// <param name="steps">n, at least 1.</param>
    /// <returns>s_1 .. s_n.</returns>
    /// <exception cref="CurvatureException">Values that are none of these.</exception>
    public static IReadOnlyList<double> Geometric(double from, double to, int steps)
    {
        if (!(from >= 0 && from < to && to < 1) || steps < 1)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"A schedule goes from a sparsity of at least 0 up to a larger one below 1 in at least one step; got {from} to {to} in {steps}."));
        }

        double factor = Math.Pow((1 - to) / (1 - from), 1.0 / steps);
        return [.. Enumerable.Range(1, steps).Select(j => j == steps ? to : 1 - ((1 - from) * Math.Pow(factor, j)))];
    }
}
