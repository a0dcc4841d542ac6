namespace Curvature.Quant.Quantizers;

/// <summary>
/// The share of the range from smallest to largest value whose grid leaves the least squared error: fewer values clipped against smaller steps. Both ends shrink alike. The best of
/// <see cref="Candidates"/> equal steps, then narrowed between its neighbours; the error is not convex, so this is a local optimum, never worse than <see cref="MinMaxRange"/>.
/// Cost: about <see cref="Candidates"/> + 40 passes over the values.
/// </summary>
public sealed record LeastSquaresRange : IQuantizationRange
{
    private const double Golden = 0.6180339887498949;
    private const int Sections = 40;

    /// <summary>Shares tried at first.</summary>
    /// <value>64.</value>
    public int Candidates { get; init; } = 64;

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">Fewer than one candidate.</exception>
    public (double Low, double High) Of(ReadOnlySpan<double> values, Func<double, double, AffineCodes> codes)
    {
        if (Candidates < 1)
        {
            throw new CurvatureException($"Expected at least one candidate, got {Candidates}.");
        }

        (double low, double high) = new MinMaxRange().Of(values, codes);
        (double Share, double Error) best = (1, Error(values, 1));
        for (int i = 1; i < Candidates; i++)
        {
            best = Better(best, (double)i / Candidates, values);
        }

        double from = best.Share - (1.0 / Candidates), to = Math.Min(1, best.Share + (1.0 / Candidates));
        double a = to - (Golden * (to - from)), b = from + (Golden * (to - from));
        double errorA = Error(values, a), errorB = Error(values, b);
        for (int section = 0; section < Sections; section++)
        {
            best = errorA < best.Error ? (a, errorA) : best;
            best = errorB < best.Error ? (b, errorB) : best;
            if (errorA < errorB)
            {
                (to, b, errorB) = (b, a, errorA);
                a = to - (Golden * (to - from));
                errorA = Error(values, a);
            }
            else
            {
                (from, a, errorA) = (a, b, errorB);
                b = from + (Golden * (to - from));
                errorB = Error(values, b);
            }
        }

        return (best.Share * low, best.Share * high);

        (double Share, double Error) Better((double Share, double Error) known, double share, ReadOnlySpan<double> values)
        {
            double error = Error(values, share);
            return error < known.Error ? (share, error) : known;
        }

        double Error(ReadOnlySpan<double> values, double share) => share > 0 ? codes(share * low, share * high).SquaredError(values) : double.PositiveInfinity;
    }
}
