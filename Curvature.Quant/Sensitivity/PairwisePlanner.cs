using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// A plan of small predicted increase with all terms between layers, <c>g . e + 1/2 e' H e</c>, within limits: from the exact plan of the layers' own sensitivities, again and again the best change of one
/// unit or of two at once that keeps the limits, until none helps. A local optimum, never worse than where it starts: with terms between layers the choice is a quadratic knapsack, for which no exact
/// method is fast. The plan's <see cref="BitPlan.Objective"/> stays the table's sum; <see cref="QuadraticModel.Increase"/> has what was minimised. Cost of a round: <c>(U B)^2 / 2</c> sums over few layers.
/// </summary>
/// <param name="Model">The loss to second order; of the same layers as the table.</param>
public sealed record PairwisePlanner(QuadraticModel Model) : IPlanner
{
    private const double Least = 1e-12; // relative gain that is not rounding

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">The table has other layers, or widths that the model does not know.</exception>
    public BitPlan Plan(PlanningProblem problem, IReadOnlyList<Limit> limits, CancellationToken cancellation = default)
    {
        var search = new Search(Model, problem, Bounds.Of(problem, limits), new ExactPlanner().Plan(problem, limits, cancellation));
        while (search.Improve(cancellation))
        {
        }

        return problem.Plan(search.Choices);
    }

    private sealed class Search
    {
        private readonly QuadraticModel _model;
        private readonly PlanningProblem _problem;
        private readonly Bounds _bounds;
        private readonly int[] _layers; // of the table, where they are in the model
        private double _increase;

        public Search(QuadraticModel model, PlanningProblem problem, Bounds bounds, BitPlan start)
        {
            (_model, _problem, _bounds) = (model, problem, bounds);
            string[] names = [.. model.Layers];
            _layers = [.. problem.Table.Layers.Select(layer => Array.IndexOf(names, layer.Name))];
            if (_layers.Contains(-1) || _layers.Length != names.Length || problem.Units.Any(unit => unit.Widths.Any(bits => !model.Bits.Contains(bits))))
            {
                throw new CurvatureException(
                    $"The quadratic model is of the layers {LayerTable.Listed(names)} at {string.Join(", ", model.Bits)} bits; {problem.Table.Name} has {LayerTable.Listed(problem.Table.Layers.Select(layer => layer.Name))} or other widths. Plan for what was measured.");
            }

            Choices = [.. problem.Units.Select(unit => Array.IndexOf(unit.Widths, start.Bits[unit.Layers[0]]))];
            _increase = Increase();
        }

        /// <summary>Of each unit.</summary>
        public int[] Choices { get; }

        /// <summary>Makes the best change of one or two units; false where none helps.</summary>
        public bool Improve(CancellationToken cancellation)
        {
            (double Increase, int[]? Choices) best = (_increase - (Least * Math.Abs(_increase)), null);
            for (int u = 0; u < Choices.Length; u++)
            {
                cancellation.ThrowIfCancellationRequested();
                int stood = Choices[u];
                for (Choices[u] = 0; Choices[u] < _problem.Units[u].Widths.Length; Choices[u]++)
                {
                    best = Better(best);
                    for (int v = 0; v < u && Choices[u] != stood; v++)
                    {
                        int other = Choices[v];
                        for (Choices[v] = 0; Choices[v] < _problem.Units[v].Widths.Length; Choices[v]++)
                        {
                            best = Better(best);
                        }

                        Choices[v] = other;
                    }
                }

                Choices[u] = stood;
            }

            if (best.Choices is null)
            {
                return false;
            }

            best.Choices.CopyTo(Choices, 0);
            _increase = best.Increase;
            return true;
        }

        private (double Increase, int[]? Choices) Better((double Increase, int[]? Choices) best) =>
            _bounds.Keep(Choices) && Increase() is var increase && increase < best.Increase ? (increase, [.. Choices]) : best;

        private double Increase()
        {
            int[] bits = new int[_layers.Length];
            foreach ((PlanningUnit unit, int choice) in _problem.Units.Zip(Choices))
            {
                foreach (int layer in unit.Layers)
                {
                    bits[_layers[layer]] = unit.Widths[choice];
                }
            }

            return _model.Increase(bits);
        }
    }
}
