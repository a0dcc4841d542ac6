namespace Curvature.Optimizers;

/// <summary>
/// When MKOR-H falls back to the gradient. The paper switches once second-order directions no longer speed up the loss's fall, and gives neither rule nor constants; this is a criterion of our own. With two running
/// means of the loss, bias corrected, of decays a (fast) and b (slow), a step's rate is
/// <code>
/// r = (slow - fast) / |slow| / (b / (1 - b) - a / (1 - a))
/// </code>
/// the relative fall of the loss a step: the means lag by <c>a / (1 - a)</c> and <c>b / (1 - b)</c> steps. Every <see cref="Interval"/> steps r is looked at; where it was below <see cref="Threshold"/> on
/// <see cref="Patience"/> looks in a row, directions are gradients from then on, and inverses are no longer updated. A loss that rises has a negative rate and counts. Scale-free, and one host synchronisation a look.
/// </summary>
public sealed record MkorHybrid
{
    /// <value>a, in (0, 1). Default 0.9.</value>
    public double Fast { get; init; } = 0.9;

    /// <value>b, in (a, 1). Default 0.99.</value>
    public double Slow { get; init; } = 0.99;

    /// <value>tau, the rate a step below which second order no longer pays. Default 1e-4: the loss falls by less than 1 % in 100 steps.</value>
    public double Threshold { get; init; } = 1e-4;

    /// <value>Steps between two looks. Default 10.</value>
    public int Interval { get; init; } = 10;

    /// <value>Looks in a row that must find a low rate. Default 10.</value>
    public int Patience { get; init; } = 10;

    /// <value>Steps before the first look, in which the means fill. Default 200.</value>
    public int Warmup { get; init; } = 200;

    /// <value>Steps after which second order is taken up again, with the inverses as they were. Null, the default: never.</value>
    public int? ReturnAfter { get; init; }

    /// <summary>Refuses settings out of range.</summary>
    internal void Check()
    {
        if (Fast is not (> 0 and < 1) || Slow is not < 1 || Slow <= Fast || !double.IsFinite(Threshold) || Interval < 1 || Patience < 1 || Warmup < 0 || ReturnAfter < 1)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected decays 0 < Fast < Slow < 1, a finite threshold, an interval, a patience and a return from 1, a warm-up from 0; got {Fast}, {Slow}, {Threshold}, {Interval}, {Patience}, {ReturnAfter}, {Warmup}."));
        }
    }

    /// <summary>r of the two means.</summary>
    internal double Rate(double fast, double slow) => (slow - fast) / Math.Abs(slow) / ((Slow / (1 - Slow)) - (Fast / (1 - Fast)));
}
