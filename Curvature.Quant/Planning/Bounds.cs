namespace Curvature.Quant.Planning;

/// <summary>Limits as numbers, one for each kind of cost, and checked each by itself.</summary>
internal sealed class Bounds
{
    private readonly PlanningProblem _problem;
    private readonly Limit[] _limits;

    private Bounds(PlanningProblem problem, Limit[] limits, double[] values) => (_problem, _limits, Values, Kinds) = (problem, limits, values, [.. limits.Select(limit => limit.Cost)]);

    /// <summary>The kinds that are limited.</summary>
    public IReadOnlyList<PlanCost> Kinds { get; }

    /// <summary>The most each may cost, in the unit of <see cref="PlanCost"/>; a latency with the rounding of sums allowed for.</summary>
    public double[] Values { get; }

    /// <summary>The tightest limit of each kind.</summary>
    /// <exception cref="InfeasibleLimitException">One of them is below what any plan costs.</exception>
    public static Bounds Of(PlanningProblem problem, IReadOnlyList<Limit> limits)
    {
        if (limits.Count == 0)
        {
            throw new CurvatureException("Without a limit every layer gets the bits of least sensitivity. Give one, such as size=50%.");
        }

        Limit[] tightest = [.. limits.GroupBy(limit => limit.Cost).Select(same => same.MinBy(limit => limit.MostOf(problem))!)];
        double[] values = [.. tightest.Select(limit => limit.Cost == PlanCost.Latency ? limit.MostOf(problem) * (1 + 1e-12) : Reachable(problem, limit))];
        foreach ((Limit limit, double value) in tightest.Zip(values))
        {
            (double least, double most) = problem.Range(limit.Cost);
            if (value < least)
            {
                throw new InfeasibleLimitException(
                    $"{limit.Text} is {CostText.Of(limit.Cost, value)}, and no plan of {problem.Table.Name} is that cheap: plans go from {CostText.Of(limit.Cost, least)} to {CostText.Of(limit.Cost, most)}. Raise the limit, or offer fewer bits.");
            }
        }

        return new Bounds(problem, tightest, values);
    }

    /// <summary>Whether the plan that takes of each unit the choice of that index keeps all limits.</summary>
    public bool Keep(IReadOnlyList<int> choices) => Enumerable.Range(0, Kinds.Count).All(k =>
    {
        double sum = 0;
        for (int u = 0; u < choices.Count; u++)
        {
            sum += _problem.Units[u][_limits[k].Cost]![choices[u]];
        }

        return sum <= Values[k];
    });

    /// <summary>The numbers of the problem under the first few limits, for the objective or another sum.</summary>
    public ChoiceTable Table(Func<PlanningUnit, double[]> objective, int limits) => ChoiceTable.Of(
        [.. _problem.Units.Select(objective)],
        [.. _limits.Take(limits).Select(limit => (IReadOnlyList<double[]>)[.. _problem.Units.Select(unit => unit[limit.Cost]!)])],
        Values[..limits]);

    /// <summary>The error of limits that go each by itself and not together.</summary>
    /// <param name="limit">The one that cannot be kept beside those before it.</param>
    /// <param name="least">The least it can be beside them; null where the caller does not know.</param>
    public InfeasibleLimitException Together(int limit, double? least)
    {
        (double low, double high) = _problem.Range(_limits[limit].Cost);
        string beside = string.Join(" and ", _limits.Where((_, k) => least is null ? k != limit : k < limit).Select(other => other.Text));
        string range = least is { } value
            ? $"beside {beside} plans go from {CostText.Of(_limits[limit].Cost, value)}"
            : $"by itself it goes from {CostText.Of(_limits[limit].Cost, low)} to {CostText.Of(_limits[limit].Cost, high)}";
        return new InfeasibleLimitException(
            $"{_limits[limit].Text} is {CostText.Of(_limits[limit].Cost, Values[limit])}, and no plan of {_problem.Table.Name} keeps it together with {beside}: {range}. Raise one of the limits.");
    }

    /// <summary>The largest sum up to the limit that the common divisor of all differences allows: bounds are then tighter.</summary>
    private static double Reachable(PlanningProblem problem, Limit limit)
    {
        long divisor = 0, least = 0, value = (long)limit.MostOf(problem);
        foreach (PlanningUnit unit in problem.Units)
        {
            double[] costs = unit[limit.Cost]!;
            long cheapest = (long)costs.Min();
            least += cheapest;
            divisor = costs.Aggregate(divisor, (common, cost) => (long)System.Numerics.BigInteger.GreatestCommonDivisor(common, (long)cost - cheapest));
        }

        return divisor == 0 || value < least ? value : least + ((value - least) / divisor * divisor);
    }
}
