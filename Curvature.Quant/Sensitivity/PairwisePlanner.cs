using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// A plan of small predicted increase with all terms between layers, <c>g . e + 1/2 e' H e</c>, within limits: from the exact plan of the layers' own sensitivities, again and again the best change of one
/// unit or of two at once that keeps the limits, until none helps. A local optimum, never worse than where it starts: with terms between layers the choice is a quadratic knapsack, for which no exact
/// method is fast. The plan's <see cref="BitPlan.Objective"/> stays the table's sum; <see cref="QuadraticModel.Increase"/> has what was minimised. Cost of a round: a few sums for each of <c>(U B)^2 / 2</c> changes.
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
        private readonly int[][] _widths; // by unit and choice, where they are in the model
        private readonly double[,] _field; // by layer and width: what the layer at that width adds with all others as they stand, its own square left out
        private readonly int[] _stands; // by layer, its width

        public Search(QuadraticModel model, PlanningProblem problem, Bounds bounds, BitPlan start)
        {
            (_model, _problem, _bounds) = (model, problem, bounds);
            (string[] names, int[] bits) = ([.. model.Layers], [.. model.Bits]);
            _layers = [.. problem.Table.Layers.Select(layer => Array.IndexOf(names, layer.Name))];
            _widths = [.. problem.Units.Select(unit => unit.Widths.Select(width => Array.IndexOf(bits, width)).ToArray())];
            if (_layers.Contains(-1) || _layers.Length != names.Length || _widths.Any(widths => widths.Contains(-1)))
            {
                throw new CurvatureException(
                    $"The quadratic model is of the layers {LayerTable.Listed(names)} at {string.Join(", ", model.Bits)} bits; {problem.Table.Name} has {LayerTable.Listed(problem.Table.Layers.Select(layer => layer.Name))} or other widths. Plan for what was measured.");
            }

            (_field, _stands) = (new double[names.Length, bits.Length], new int[names.Length]);
            Choices = [.. problem.Units.Select(unit => Array.IndexOf(unit.Widths, start.Bits[unit.Layers[0]]))];
            Settle();
        }

        /// <summary>Of each unit.</summary>
        public int[] Choices { get; }

        /// <summary>Makes the best change of one or two units; false where none helps.</summary>
        public bool Improve(CancellationToken cancellation)
        {
            int[] stood = [.. Choices];
            (double Change, int U, int V, int ChoiceU, int ChoiceV) best = (-Least * Math.Abs(_model.Increase([.. _stands.Select(width => _model.Bits[width])])), -1, -1, 0, 0);
            for (int u = 0; u < Choices.Length; u++)
            {
                cancellation.ThrowIfCancellationRequested();
                for (int a = 0; a < _widths[u].Length; a++)
                {
                    if (a == stood[u])
                    {
                        continue;
                    }

                    double alone = Change(u, a);
                    Choices[u] = a;
                    Consider(alone, u, u, a, a);
                    for (int v = 0; v < u; v++)
                    {
                        for (int b = 0; b < _widths[v].Length; b++)
                        {
                            if (b != stood[v] && alone + Change(v, b) + Between(u, a, v, b) is var both && both < best.Change)
                            {
                                Choices[v] = b;
                                Consider(both, u, v, a, b);
                                Choices[v] = stood[v];
                            }
                        }
                    }

                    Choices[u] = stood[u];
                }
            }

            if (best.U < 0)
            {
                return false;
            }

            (Choices[best.V], Choices[best.U]) = (best.ChoiceV, best.ChoiceU);
            Settle();
            return true;

            void Consider(double change, int u, int v, int a, int b)
            {
                if (change < best.Change && _bounds.Keep(Choices))
                {
                    best = (change, u, v, a, b);
                }
            }
        }

        /// <summary>What the increase changes by when a unit alone goes to another choice.</summary>
        private double Change(int u, int choice)
        {
            int[] unit = _problem.Units[u].Layers;
            int to = _widths[u][choice];
            double sum = 0;
            for (int i = 0; i < unit.Length; i++)
            {
                int l = _layers[unit[i]], from = _stands[l];
                sum += _field[l, to] - _field[l, from] + (0.5 * (_model.Term(l, to, l, to) - _model.Term(l, from, l, from)));
                for (int j = 0; j < i; j++)
                {
                    sum += Mixed(l, to, _layers[unit[j]], to);
                }
            }

            return sum;
        }

        /// <summary>What two units that go to other choices together add beyond what each does.</summary>
        private double Between(int u, int a, int v, int b)
        {
            double sum = 0;
            foreach (int l in _problem.Units[u].Layers)
            {
                foreach (int m in _problem.Units[v].Layers)
                {
                    sum += Mixed(_layers[l], _widths[u][a], _layers[m], _widths[v][b]);
                }
            }

            return sum;
        }

        /// <summary>The second difference of two layers' term.</summary>
        private double Mixed(int l, int to, int m, int other) =>
            Term(l, to, m, other) - Term(l, to, m, _stands[m]) - Term(l, _stands[l], m, other) + Term(l, _stands[l], m, _stands[m]);

        /// <summary>Symmetric beyond rounding.</summary>
        private double Term(int l, int width, int m, int other) => 0.5 * (_model.Term(l, width, m, other) + _model.Term(m, other, l, width));

        private void Settle()
        {
            for (int u = 0; u < Choices.Length; u++)
            {
                foreach (int layer in _problem.Units[u].Layers)
                {
                    _stands[_layers[layer]] = _widths[u][Choices[u]];
                }
            }

            for (int l = 0; l < _stands.Length; l++)
            {
                for (int width = 0; width < _model.Bits.Count; width++)
                {
                    _field[l, width] = _model.Slope(l, width);
                    for (int m = 0; m < _stands.Length; m++)
                    {
                        _field[l, width] += m == l ? 0 : Term(l, width, m, _stands[m]);
                    }
                }
            }
        }
    }
}
