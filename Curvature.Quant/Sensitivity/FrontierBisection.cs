using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// The cheapest plan of a Pareto frontier that keeps an accuracy, by bisection over its points in the order of cost. Unlike <see cref="AccuracyBisection"/>, which takes layers down one by one, every plan looked at is the best of its
/// cost by the sensitivities, so that groups and fixed layers are kept, and layers have unlike widths from the start. Bisection takes the accuracy to rise with cost; the points that decide, K and the next cheaper, are checked again by another
/// measure where one is given, a few points below are tried, and whatever contradicts the order is reported. At most <c>ceil(log2(n)) + 2</c> evaluations with n points, and those of the check.
/// </summary>
public static class FrontierBisection
{
    /// <summary>Finds the plan.</summary>
    /// <param name="frontier">Of plans under a cost, its dearest the one to begin with: floating point where the table has that width.</param>
    /// <param name="accuracy">The accuracy under a plan.</param>
    /// <param name="bound">The least accuracy that will do.</param>
    /// <param name="check">Another measure, on more samples say; null: none.</param>
    /// <param name="cancellation">Looked at before each evaluation.</param>
    /// <exception cref="CurvatureException">The dearest plan misses the bound, by either measure.</exception>
    public static FrontierPlan Search(
        ParetoFrontier frontier, Func<BitPlan, double> accuracy, double bound, Func<BitPlan, double>? check = null, CancellationToken cancellation = default)
    {
        int last = frontier.Count - 1;
        var seen = new SortedDictionary<int, double>();
        if (At(last) < bound)
        {
            throw new CurvatureException(FormattableString.Invariant($"Under the dearest plan the accuracy is {seen[last]:g4}, below the bound of {bound:g4}. Lower the bound, or allow more bits."));
        }

        (int fails, int holds) = (-1, last);
        while (holds - fails > 1)
        {
            int middle = (fails + holds) / 2;
            (fails, holds) = At(middle) >= bound ? (fails, middle) : (middle, holds);
        }

        int below = holds - Math.Max(2, frontier.Count / 64);
        if (below >= 0)
        {
            At(below);
        }

        var violations = new List<string>();
        foreach ((int point, double value) in seen.Where(pair => pair.Key < holds && pair.Value >= bound))
        {
            violations.Add(FormattableString.Invariant($"A cheaper plan, point {point + 1} of the frontier's {frontier.Count}, keeps the bound ({value:g4}) where point {holds} does not ({seen[holds - 1]:g4}): the accuracy does not rise with every point."));
        }

        int found = check is null ? holds : Verified();
        return new FrontierPlan(frontier.Plan(found), found, seen, violations);

        double At(int point) => seen.TryGetValue(point, out double known) ? known : seen[point] = Evaluate(accuracy, point);

        double Evaluate(Func<BitPlan, double> measure, int point)
        {
            cancellation.ThrowIfCancellationRequested();
            return measure(frontier.Plan(point));
        }

        // Neighbours on a frontier of many points differ by little: steps double.
        int Verified()
        {
            if (holds > 0 && Evaluate(check, holds - 1) is var next && next >= bound)
            {
                violations.Add(FormattableString.Invariant($"The check has {next:g4} under point {holds}, which keeps the bound; bisection stopped at point {holds + 1}."));
            }

            int point = holds;
            for (int step = 1; Evaluate(check, point) is var value && value < bound; step *= 2)
            {
                violations.Add(FormattableString.Invariant($"The check has {value:g4} under point {point + 1} of the frontier's {frontier.Count}, below the bound; a dearer plan is taken."));
                point = point < last ? Math.Min(last, point + step) : throw new CurvatureException(FormattableString.Invariant($"Under the dearest plan the check has {value:g4}, below the bound of {bound:g4}. Lower the bound, or allow more bits."));
            }

            return point;
        }
    }
}
