namespace Curvature.Quant.Planning;

/// <summary>
/// The plan of least objective among those whose bits do not fall where the average trace rises, by trying all: with L units and B widths there are
/// <c>C(L + B - 1, B - 1)</c> (HAWQ-V2: Dong et al. 2020, section 3.2). With <see cref="Limit.Compression"/> it is the search of NNCF's mixed-precision algorithm. The order is a heuristic, and
/// what it leaves out may be much better: a layer with a small trace may lose a large part of its weight. A group counts by the average trace over its parameters; units
/// that are fixed stand outside the order.
/// </summary>
public sealed record MonotonePlanner : IPlanner
{
    private const double MostPlans = 1e8;

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">A layer has no average trace, or there are more than 10^8 plans in order.</exception>
    public BitPlan Plan(PlanningProblem problem, IReadOnlyList<Limit> limits, CancellationToken cancellation = default)
    {
        var bounds = Bounds.Of(problem, limits);
        int[] order = [.. Enumerable.Range(0, problem.Units.Count).Where(u => problem.Units[u].Widths.Length > 1).OrderBy(u => Trace(problem, problem.Units[u]))];
        int widths = problem.Table.Bits.Count;
        double plans = Enumerable.Range(1, widths - 1).Aggregate(1.0, (product, i) => product * (order.Length + i) / i);
        if (plans > MostPlans)
        {
            throw new CurvatureException($"{problem.Table.Name}: {plans:g3} plans are in the order of the traces, too many to try. Offer fewer widths, or plan exactly.");
        }

        int[]? starts = new Enumeration(problem, bounds, order, widths, cancellation).Best();
        if (starts is null)
        {
            throw bounds.Together(0, null);
        }

        int[] choices = new int[problem.Units.Count];
        for (int i = 0; i < order.Length; i++)
        {
            choices[order[i]] = starts.Count(start => i >= start);
        }

        return problem.Plan(choices);
    }

    private static double Trace(PlanningProblem problem, PlanningUnit unit)
    {
        TableLayer[] layers = [.. unit.Layers.Select(layer => problem.Table.Layers[layer])];
        return layers.FirstOrDefault(layer => layer.AverageTrace is null) is { } without
            ? throw new CurvatureException($"{problem.Table.Name}: the monotone search orders layers by their average trace, and '{without.Name}' has none. Add \"average_trace\", or plan exactly.")
            : layers.Sum(layer => layer.AverageTrace!.Value * layer.Parameters) / layers.Sum(layer => layer.Parameters);
    }

    /// <summary>
    /// A plan in order is where each width but the fewest starts. Sums over the units before a place, for each width, make a plan's sums K + 1 differences.
    /// </summary>
    private sealed class Enumeration
    {
        private readonly double[] _limits;
        private readonly double[][][] _before; // [sum][width][place]
        private readonly double[] _rest;
        private readonly int _units;
        private readonly int[] _starts;
        private readonly CancellationToken _cancellation;
        private double _least = double.PositiveInfinity;
        private int[]? _best;

        public Enumeration(PlanningProblem problem, Bounds bounds, int[] order, int widths, CancellationToken cancellation)
        {
            (_limits, _units, _starts, _cancellation) = (bounds.Values, order.Length, new int[widths - 1], cancellation);
            Func<PlanningUnit, double[]>[] sums = [unit => unit.Objective, .. bounds.Kinds.Select(kind => (Func<PlanningUnit, double[]>)(unit => unit[kind]!))];
            _rest = [.. sums.Select(sum => problem.Units.Where(unit => unit.Widths.Length == 1).Sum(unit => sum(unit)[0]))];
            _before = [.. sums.Select(sum => Enumerable.Range(0, widths).Select(width =>
            {
                double[] running = new double[order.Length + 1];
                for (int i = 0; i < order.Length; i++)
                {
                    running[i + 1] = running[i] + sum(problem.Units[order[i]])[width];
                }

                return running;
            }).ToArray())];
        }

        public int[]? Best()
        {
            Place(0, 0, [.. _rest]);
            return _best;
        }

        private void Place(int width, int from, double[] sums)
        {
            if (width == _starts.Length)
            {
                Judge(width, from, sums);
                return;
            }

            _cancellation.ThrowIfCancellationRequested();
            double[] next = new double[sums.Length];
            for (int to = from; to <= _units; to++)
            {
                for (int s = 0; s < sums.Length; s++)
                {
                    next[s] = sums[s] + _before[s][width][to] - _before[s][width][from];
                }

                _starts[width] = to;
                Place(width + 1, to, next);
            }
        }

        private void Judge(int width, int from, double[] sums)
        {
            for (int s = 1; s < sums.Length; s++)
            {
                if (sums[s] + _before[s][width][_units] - _before[s][width][from] > _limits[s - 1])
                {
                    return;
                }
            }

            double objective = sums[0] + _before[0][width][_units] - _before[0][width][from];
            if (objective < _least)
            {
                (_least, _best) = (objective, [.. _starts]);
            }
        }
    }
}
