using Curvature.Cli.Output;
using Curvature.Quant.Planning;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>Reads a table, plans, looks at what else there is, and writes the plan.</summary>
internal static class PlanRun
{
    private const double Doubtful = 0.1;

    /// <summary>Does what <paramref name="request"/> says; the caller writes what <see cref="PlanJson"/> makes of it.</summary>
    public static PlanReport Run(PlanRequest request, Terminal terminal)
    {
        var environment = new EnvironmentReport();
        if (request.File is { } file)
        {
            AtomicFile.CheckFolder(Path.GetDirectoryName(Path.GetFullPath(file))!);
            if (Path.GetFullPath(file) == Path.GetFullPath(request.Table))
            {
                throw new CurvatureException($"Cannot write '{file}': it is the table. Name another file (--out).");
            }
        }

        LayerTable table = LayerTable.Read(request.Table);
        table = (request.Bits is { } bits ? table with { Bits = bits } : table).Fix(request.Fixed);
        var problem = new PlanningProblem(table);
        BitPlan plan = KnownPlanners.Create(request.Search).Plan(problem, request.Limits, terminal.Cancellation);
        ChoiceUncertainty? uncertainty = ChoiceUncertainty.Of(problem, request.Limits, plan, request.Draws, request.Seed, terminal.Cancellation);
        ParetoFrontier frontier = ParetoFrontier.Of(problem, request.Limits[0].Cost, terminal.Cancellation);
        environment.Add("table", request.Table);
        environment.Add("table_sha256", EnvironmentReport.Sha256(request.Table));
        environment.Add("limits", request.Limits.Select(limit => limit.Text));
        environment.Add("search", request.Search);
        environment.Add("seed", request.Seed);
        environment.Add("seconds", Math.Round(environment.Elapsed.TotalSeconds, 3));
        return new PlanReport
        {
            Request = request,
            Environment = environment.Entries,
            Problem = problem,
            Plan = plan,
            Others = [.. Others(request, problem, terminal.Cancellation)],
            Frontier = frontier,
            Uncertainty = uncertainty,
            Findings = [.. Findings(problem, uncertainty).OrderByDescending(finding => finding.Severity)],
        };
    }

    private static IEnumerable<(string Name, BitPlan Plan)> Others(PlanRequest request, PlanningProblem problem, CancellationToken cancellation)
    {
        foreach (KnownPlanner planner in KnownPlanners.All.Where(planner => planner.Name != request.Search))
        {
            if (Try(planner.Create()) is { } plan)
            {
                yield return (planner.Name, plan);
            }
        }

        foreach (int bits in problem.Table.Bits.Order())
        {
            yield return ($"{bits} bits", problem.Uniform(bits));
        }

        BitPlan? Try(IPlanner planner)
        {
            try
            {
                return planner.Plan(problem, request.Limits, cancellation);
            }
            catch (CurvatureException) // a comparison that cannot be made: no traces, or no plan in its order keeps the limits
            {
                return null;
            }
        }
    }

    private static IEnumerable<Finding> Findings(PlanningProblem problem, ChoiceUncertainty? uncertainty)
    {
        LayerTable table = problem.Table;
        LayerChoices[] doubtful = [.. (uncertainty?.Layers ?? []).Where(layer => layer.Flips > Doubtful).OrderByDescending(layer => layer.Flips)];
        if (doubtful.Length > 0)
        {
            yield return Finding.Of(
                "choices-flip",
                Severity.Warning,
                $"{Format.Count(doubtful.Length, "layer")} of {table.Layers.Count} would get other bits in more than {Format.Percent(Doubtful)} of draws within the error bars, most often {doubtful[0].Name} ({Format.Percent(doubtful[0].Flips)}). Smaller standard errors settle them.",
                ("layers", doubtful.Select(layer => layer.Name)),
                ("mean_regret", uncertainty!.MeanRegret));
        }

        string[] negative = [.. table.Layers.Where(layer => table.Bits.Any(bits => layer.SensitivityAt(bits) < 0)).Select(layer => layer.Name)];
        if (negative.Length > 0)
        {
            yield return Finding.Of(
                "negative-sensitivity",
                Severity.Warning,
                $"{Format.Count(negative.Length, "layer")} with a negative sensitivity, the first {negative[0]}: the plan expects to gain by quantizing. A trace of the Gauss-Newton matrix is never negative.",
                ("layers", negative));
        }

        string[] silent = [.. table.Layers.Zip(problem.Uniform(table.Bits[0]).Bits).Where(pair => pair.First.SensitivityAt(pair.Second) is null).Select(pair => pair.First.Name)];
        if (silent.Length > 0)
        {
            yield return Finding.Of("no-sensitivity", Severity.Info, $"Fixed layers without a sensitivity count as 0 in the objective: {string.Join(", ", silent)}.", ("layers", silent));
        }
    }
}
