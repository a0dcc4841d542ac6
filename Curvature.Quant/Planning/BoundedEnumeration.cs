namespace Curvature.Quant.Planning;

/// <summary>
/// All plans that a Lagrangian bound leaves open. Prices lambda (<see cref="LagrangianDual"/>) give the bound L and each choice its regret
/// <c>r = o + lambda . w - min</c>, so that every plan x has objective <c>L + sum r(x) + lambda . (W - w(x))</c>. Hence a plan within a gap g of L has no choice with a larger
/// regret, and regrets and unused limits that sum to at most g. Where no plan is known, a search that keeps only the most promising partial plans, with growing g, finds a good one; then all
/// that could be better are enumerated unit by unit, those beaten in objective and all costs dropped, unless they become too many.
/// </summary>
internal sealed class BoundedEnumeration
{
    private const int Beam = 2048;
    private const int LargestStage = 1 << 17; // under one limit, where all that is beaten is found at once
    private const int LargestStages = 1 << 12; // under several: splitting is then cheaper
    private const double Widening = 1.5;

    private readonly ChoiceTable _table;
    private readonly double[] _prices;
    private readonly double[][] _regret;
    private readonly double _tolerance;
    private readonly CancellationToken _cancellation;

    private int[] _order = [];
    private int[][] _open = [];
    private double[][] _fewest = [];
    private double[][] _most = [];
    private double _gap;

    public BoundedEnumeration(ChoiceTable table, CancellationToken cancellation)
    {
        (_table, _cancellation) = (table, cancellation);
        _prices = LagrangianDual.Prices(table);
        _regret = new double[table.Units][];
        double size = 0;
        for (int u = 0; u < table.Units; u++)
        {
            double[] priced = [.. Enumerable.Range(0, table.Choice[u].Length).Select(c => LagrangianDual.Priced(table, u, c, _prices))];
            double least = priced.Min();
            Bound += least;
            size += priced.Max(Math.Abs);
            _regret[u] = [.. priced.Select(value => value - least)];
        }

        double spent = _prices.Zip(table.Limit, (price, limit) => price * limit).Sum();
        Bound -= spent;
        _tolerance = 1e-14 * (size + spent);
    }

    /// <summary>No plan within the limits has a smaller objective, but for rounding.</summary>
    public double Bound { get; }

    /// <summary>The least objective known; the caller sets that of plans found elsewhere.</summary>
    public double Best { get; set; } = double.PositiveInfinity;

    /// <summary>The plan found that is better than what the caller knew, an index into each unit's own list; null for none.</summary>
    public int[]? Plan { get; private set; }

    /// <summary>Whether anything better than <see cref="Best"/> is still possible.</summary>
    public bool IsOpen => Bound + _tolerance < Best;

    /// <summary>Looks for plans better than <see cref="Best"/>.</summary>
    /// <returns>Whether all were looked at; if not, there were too many.</returns>
    public bool Run()
    {
        double everything = _regret.Sum(regret => regret.Max()) + _prices.Zip(_table.Limit, (price, limit) => price * limit).Sum() + _tolerance;
        double[] positive = [.. _regret.SelectMany(regret => regret).Where(regret => regret > _tolerance).Order()];
        for (_gap = positive.Length == 0 ? _tolerance : positive[positive.Length / 50]; double.IsInfinity(Best) && _gap <= everything; _gap *= Widening)
        {
            Search(complete: false);
        }

        _gap = Math.Min(everything, Best - Bound);
        return !IsOpen || Search(complete: true);
    }

    /// <summary>The unit whose choices differ most at the prices, and the choices of every unit that could be in a better plan.</summary>
    public (int Unit, int[][] Open) Branching()
    {
        _gap = Best - Bound;
        Prepare();
        int widest = Enumerable.Range(0, _table.Units).Where(u => _open[u].Length > 1).MaxBy(u => Spread(u));
        return (widest, _open);

        double Spread(int unit)
        {
            double[] spent = [.. _open[unit].Select(c => LagrangianDual.Priced(_table, unit, c, _prices) - _table.Objective[unit][c])];
            return spent.Max() - spent.Min();
        }
    }

    private bool Search(bool complete)
    {
        Prepare();
        var plans = new PartialPlans(null, 1, _table.Costs);
        plans.Add(0, 0, 0, 0);
        for (int depth = 0; depth < _order.Length && plans.Count > 0; depth++)
        {
            _cancellation.ThrowIfCancellationRequested();
            plans = _table.Costs == 1 ? BranchAlongOne(plans, depth) : Branch(plans, depth);
            if (plans.Count > (_table.Costs == 1 ? LargestStage : LargestStages) && complete)
            {
                return false;
            }

            if (plans.Count > Beam && !complete)
            {
                int[] promising = [.. Enumerable.Range(0, plans.Count)];
                Array.Sort(plans.Regret.AsSpan(0, plans.Count).ToArray(), promising);
                promising.AsSpan(0, Beam).Sort(); // in order of cost again
                plans = plans.Take(promising.AsSpan(0, Beam));
            }
        }

        Finish(plans);
        return true;
    }

    /// <summary>
    /// Choices that can be in a plan within the gap; units whose second choice is dearest first: they branch least, and when the many branches come, little of the costs is
    /// still open.
    /// </summary>
    private void Prepare()
    {
        int units = _table.Units, costs = _table.Costs;
        double[] second = [.. _regret.Select(regret => regret.Order().Skip(1).FirstOrDefault(double.PositiveInfinity))];
        _order = [.. Enumerable.Range(0, units).OrderByDescending(unit => second[unit])];
        _open = [.. _regret.Select(regret => Enumerable.Range(0, regret.Length).Where(c => regret[c] <= _gap + _tolerance).ToArray())];
        _fewest = [.. Enumerable.Range(0, units + 1).Select(_ => new double[costs])];
        _most = [.. Enumerable.Range(0, units + 1).Select(_ => new double[costs])];
        for (int depth = units - 1; depth >= 0; depth--)
        {
            int unit = _order[depth];
            for (int k = 0; k < costs; k++)
            {
                _fewest[depth][k] = _fewest[depth + 1][k] + _open[unit].Min(c => _table.Cost[unit][(c * costs) + k]);
                _most[depth][k] = _most[depth + 1][k] + _open[unit].Max(c => _table.Cost[unit][(c * costs) + k]);
            }
        }
    }

    private PartialPlans Branch(PartialPlans plans, int depth)
    {
        int unit = _order[depth], costs = _table.Costs;
        int[] choices = _open[unit];
        var next = new PartialPlans(plans, plans.Count * choices.Length, costs);
        double allowed = Math.Min(_gap, Best - Bound) + _tolerance;
        for (int p = 0; p < plans.Count; p++)
        {
            foreach (int c in choices)
            {
                double regret = plans.Regret[p] + _regret[unit][c], needed = regret;
                bool fits = true;
                for (int k = 0; k < costs; k++)
                {
                    double cost = plans.Cost[(p * costs) + k] + _table.Cost[unit][(c * costs) + k];
                    next.Cost[(next.Count * costs) + k] = cost;
                    fits &= cost + _fewest[depth + 1][k] <= _table.Limit[k];
                    needed += _prices[k] * Math.Max(0, _table.Limit[k] - cost - _most[depth + 1][k]); // what stays unused whatever follows
                }

                if (fits && needed <= allowed)
                {
                    next.Add(plans.Objective[p] + _table.Objective[unit][c], regret, p, (byte)c);
                }
            }
        }

        return choices.Length == 1 || next.Count < 2 ? next : next.Undominated();
    }

    /// <summary>The same under one cost, by which plans are in order: so are those that take one more choice, and merging keeps what is not beaten.</summary>
    private PartialPlans BranchAlongOne(PartialPlans plans, int depth)
    {
        int unit = _order[depth];
        int[] choices = _open[unit], head = new int[choices.Length];
        double[] moveCost = [.. choices.Select(c => _table.Cost[unit][c])], moveObjective = [.. choices.Select(c => _table.Objective[unit][c])], regrets = [.. choices.Select(c => _regret[unit][c])];
        var next = new PartialPlans(plans, plans.Count * choices.Length, 1);
        double allowed = Math.Min(_gap, Best - Bound) + _tolerance, most = _table.Limit[0] - _fewest[depth + 1][0], all = _table.Limit[0] - _most[depth + 1][0], bound = double.PositiveInfinity;
        while (true)
        {
            int least = -1;
            double leastCost = 0;
            for (int c = 0; c < choices.Length; c++)
            {
                int at = head[c];
                while (at < plans.Count && (plans.Objective[at] + moveObjective[c] >= bound
                    || plans.Regret[at] + regrets[c] + (_prices[0] * Math.Max(0, all - plans.Cost[at] - moveCost[c])) > allowed)) // what stays unused whatever follows
                {
                    at++;
                }

                head[c] = at;
                double cost = at < plans.Count ? plans.Cost[at] + moveCost[c] : double.PositiveInfinity;
                if (cost <= most && (least < 0 || cost < leastCost || (cost == leastCost && plans.Objective[at] + moveObjective[c] < plans.Objective[head[least]] + moveObjective[least])))
                {
                    (least, leastCost) = (c, cost);
                }
            }

            if (least < 0)
            {
                return next.Trimmed();
            }

            int p = head[least]++;
            bound = plans.Objective[p] + moveObjective[least];
            next.Cost[next.Count] = leastCost;
            next.Add(bound, plans.Regret[p] + regrets[least], p, (byte)choices[least]);
        }
    }

    private void Finish(PartialPlans plans)
    {
        int best = -1;
        for (int p = 0; p < plans.Count; p++)
        {
            best = plans.Objective[p] < (best < 0 ? Best : plans.Objective[best]) ? p : best;
        }

        if (best < 0)
        {
            return;
        }

        Best = plans.Objective[best];
        Plan = new int[_table.Units];
        PartialPlans? stage = plans;
        for (int depth = _order.Length - 1; depth >= 0; depth--)
        {
            Plan[_order[depth]] = _table.Choice[_order[depth]][stage!.Choice[best]];
            best = stage.Parent[best];
            stage = stage.Before;
        }
    }
}
