namespace Curvature.Quant.Planning;

/// <summary>
/// Which choices of a plan stand and which would flip inside the error bars of the sensitivities: the sensitivities are drawn anew from normal distributions with the table's standard
/// errors, and the exact plan within the same limits is found for each draw. A layer has one error for all its widths (an error of its trace multiplies all of them), and layers err
/// independently. Fixed layers do not take part.
/// </summary>
public sealed record ChoiceUncertainty
{
    /// <summary>How many times sensitivities were drawn.</summary>
    public required int Draws { get; init; }

    /// <summary>How often each width came out, for each layer of the table.</summary>
    public required IReadOnlyList<LayerChoices> Layers { get; init; }

    /// <summary>By how much the plan's objective exceeds the best, on average over the draws: what not knowing better costs.</summary>
    public required double MeanRegret { get; init; }

    /// <summary>Plans <paramref name="draws"/> times.</summary>
    /// <param name="problem">The table's choices.</param>
    /// <param name="limits">The limits of <paramref name="plan"/>.</param>
    /// <param name="plan">The plan looked at.</param>
    /// <param name="draws">At least 1; a share is then known to <c>0.5 / sqrt(draws)</c>.</param>
    /// <param name="seed">Of the draws; the same seed gives the same shares.</param>
    /// <param name="cancellation">Looked at in each draw.</param>
    /// <returns>Null where the table has no standard errors.</returns>
    /// <exception cref="InfeasibleLimitException">No plan keeps the limits.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ChoiceUncertainty? Of(
        PlanningProblem problem, IReadOnlyList<Limit> limits, BitPlan plan, int draws = 200, int seed = 0, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(draws, 1);
        LayerTable table = problem.Table;
        if (table.Layers.All(layer => table.Bits.All(bits => layer.StandardErrorAt(bits) == 0)))
        {
            return null;
        }

        var random = new Random(seed);
        var counts = table.Layers.Select(_ => new SortedDictionary<int, int>()).ToArray();
        double regret = 0;
        for (int draw = 0; draw < draws; draw++)
        {
            var drawn = new PlanningProblem(table with { Layers = [.. table.Layers.Select(layer => Drawn(layer, Normal(random)))] });
            BitPlan best = new ExactPlanner().Plan(drawn, limits, cancellation);
            regret += (drawn.Evaluate(plan.Assignment).Objective - best.Objective) / draws;
            for (int layer = 0; layer < counts.Length; layer++)
            {
                counts[layer][best.Bits[layer]] = counts[layer].GetValueOrDefault(best.Bits[layer]) + 1;
            }
        }

        return new ChoiceUncertainty
        {
            Draws = draws,
            MeanRegret = regret,
            Layers =
            [
                .. table.Layers.Select((layer, i) => new LayerChoices(
                    layer.Name,
                    plan.Bits[i],
                    counts[i].ToDictionary(pair => pair.Key, pair => (double)pair.Value / draws))),
            ],
        };
    }

    private static TableLayer Drawn(TableLayer layer, double error)
    {
        int[] widths = [.. (layer.Sensitivity ?? layer.Error ?? new Dictionary<int, double>()).Keys];
        return layer with
        {
            Sensitivity = widths.Where(bits => layer.SensitivityAt(bits) is not null)
                .ToDictionary(bits => bits, bits => layer.SensitivityAt(bits)!.Value + (error * layer.StandardErrorAt(bits))),
            TraceStandardError = null,
            SensitivityStandardError = null,
        };
    }

    /// <summary>Box and Muller 1958.</summary>
    private static double Normal(Random random)
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
        return radius * Math.Cos(2 * Math.PI * random.NextDouble());
    }
}
