namespace Curvature.Quant.Sensitivity;

/// <summary>
/// How many layers can go to fewer bits before the accuracy falls below a bound: the least sensitive first, level by level (16 to 8, then 8 to 4 among those at 8, and so on), by bisection over their number
/// K as in Schaefer et al. 2023. Bisection takes the accuracy to fall with K. What it looked at says whether it does: the accuracy at K and K + 1, the two that decide, is checked again by another measure
/// where one is given, and one step beyond is tried; whatever contradicts the order is reported. At most <c>ceil(log2(L + 1)) + 1</c> evaluations a level with L layers, and those of the check.
/// </summary>
public sealed record AccuracyBisection
{
    /// <value>Widths from most to fewest bits; layers start at the first, which counts as measured by the bound's baseline. Default 32, 8, 4, 2 (32: floating point).</value>
    public IReadOnlyList<int> Levels { get; init; } = [32, 8, 4, 2];

    /// <summary>Finds bits for all layers.</summary>
    /// <param name="score">What each layer costs at a width, by name; layers go in ascending order. See <see cref="InterLayerScore"/>.</param>
    /// <param name="accuracy">The accuracy under bits by layer.</param>
    /// <param name="bound">The least accuracy that will do.</param>
    /// <param name="check">Another measure, on more samples say; null: none.</param>
    /// <param name="cancellation">Looked at before each evaluation.</param>
    /// <exception cref="CurvatureException">Fewer than two levels or not descending; or the start itself misses the bound.</exception>
    public AccuracyPlan Search(
        Func<int, IReadOnlyList<(string Layer, double Score)>> score,
        Func<IReadOnlyDictionary<string, int>, double> accuracy,
        double bound,
        Func<IReadOnlyDictionary<string, int>, double>? check = null,
        CancellationToken cancellation = default)
    {
        if (Levels.Count < 2 || Levels.Zip(Levels.Skip(1)).Any(pair => pair.First <= pair.Second))
        {
            throw new CurvatureException($"Expected two or more widths from most to fewest bits, got {string.Join(", ", Levels)}.");
        }

        var bits = score(Levels[1]).ToDictionary(layer => layer.Layer, _ => Levels[0], StringComparer.Ordinal);
        double start = accuracy(bits);
        if (start < bound)
        {
            throw new CurvatureException(FormattableString.Invariant($"With all layers at {Levels[0]} bits the accuracy is {start:g4}, below the bound of {bound:g4}. Lower the bound."));
        }

        var found = new List<AccuracyLevel>();
        foreach (int level in Levels.Skip(1))
        {
            int above = bits.Values.Min();
            string[] order = [.. score(level).Where(layer => bits[layer.Layer] == above).OrderBy(layer => layer.Score).Select(layer => layer.Layer)];
            AccuracyLevel at = Bisect(level, order, bits, accuracy, bound, check, cancellation);
            found.Add(at);
            bits = Lowered(bits, order, at.Layers, level);
            if (at.Layers == 0)
            {
                break;
            }
        }

        return new AccuracyPlan(bits, found);
    }

    private static AccuracyLevel Bisect(
        int level,
        string[] order,
        Dictionary<string, int> bits,
        Func<IReadOnlyDictionary<string, int>, double> accuracy,
        double bound,
        Func<IReadOnlyDictionary<string, int>, double>? check,
        CancellationToken cancellation)
    {
        var seen = new SortedDictionary<int, double>();
        (int holds, int fails) = (0, order.Length + 1);
        while (fails - holds > 1)
        {
            int middle = (holds + fails) / 2;
            (holds, fails) = At(middle) >= bound ? (middle, fails) : (holds, middle);
        }

        if (holds + 2 <= order.Length)
        {
            At(holds + 2);
        }

        var violations = new List<string>();
        foreach ((int k, double value) in seen.Where(pair => pair.Key > holds && pair.Value >= bound))
        {
            violations.Add(FormattableString.Invariant($"{k} layers at {level} bits keep the bound ({value:g4}) where {holds + 1} do not ({seen[holds + 1]:g4}): the accuracy does not fall with every layer."));
        }

        if (check is not null)
        {
            holds = Verified(holds, violations);
        }

        return new AccuracyLevel(level, holds, order.Length, seen, violations);

        double At(int k)
        {
            cancellation.ThrowIfCancellationRequested();
            return seen.TryGetValue(k, out double known) ? known : seen[k] = accuracy(Lowered(bits, order, k, level));
        }

        int Verified(int k, List<string> contradictions)
        {
            if (k < order.Length && Checked(k + 1) is var next && next >= bound)
            {
                contradictions.Add(FormattableString.Invariant($"the check has {next:g4} with {k + 1} layers at {level} bits, which keeps the bound; bisection stopped at {k}."));
            }

            while (k > 0 && Checked(k) is var value && value < bound)
            {
                contradictions.Add(FormattableString.Invariant($"the check has {value:g4} with {k} layers at {level} bits, below the bound; one layer is taken back."));
                k--;
            }

            return k;
        }

        double Checked(int k)
        {
            cancellation.ThrowIfCancellationRequested();
            return check!(Lowered(bits, order, k, level));
        }
    }

    private static Dictionary<string, int> Lowered(Dictionary<string, int> bits, string[] order, int count, int level)
    {
        var lowered = new Dictionary<string, int>(bits, StringComparer.Ordinal);
        foreach (string layer in order.Take(count))
        {
            lowered[layer] = level;
        }

        return lowered;
    }
}
