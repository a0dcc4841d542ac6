namespace Curvature.Sharpness;

/// <summary>Evenly spaced positions along a direction: <c>From + k (To - From) / (Steps - 1)</c>.</summary>
public sealed record LandscapeAxis
{
    /// <param name="from">The first position.</param>
    /// <param name="to">The last one.</param>
    /// <param name="steps">How many, both ends included. An odd number between opposite ends has one at 0, where the parameters are.</param>
    /// <exception cref="CurvatureException">Fewer than 2 steps, or ends that are not finite and ascending.</exception>
    public LandscapeAxis(double from, double to, int steps = 21)
    {
        if (steps < 2 || !(from < to) || !double.IsFinite(to - from))
        {
            throw new CurvatureException(FormattableString.Invariant($"An axis has at least 2 steps between finite ends, the first one smaller; got {steps} from {from} to {to}."));
        }

        // Symmetric about the middle, so that the position of the parameters themselves is exactly 0.
        double middle = (from + to) / 2, half = (to - from) / 2;
        Positions = [.. Enumerable.Range(0, steps).Select(k => middle + (half * ((2 * k) - (steps - 1)) / (steps - 1)))];
    }

    /// <summary>The positions, ascending.</summary>
    public IReadOnlyList<double> Positions { get; }

    /// <summary>From <paramref name="range"/> below to <paramref name="range"/> above the parameters.</summary>
    /// <param name="range">Positive and finite.</param>
    /// <param name="steps">How many positions.</param>
    /// <exception cref="CurvatureException">As the constructor.</exception>
    public static LandscapeAxis Around(double range = 1, int steps = 21) => new(-range, range, steps);
}
