using Curvature.Cli.Output;
using Curvature.Quant.Planning;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>Reads a table or measures a network, plans, and looks at what else there is.</summary>
internal static class PlanRun
{
    /// <summary>The finding that choices would be others within the error bars.</summary>
    public const string ChoicesFlip = "choices-flip";

    private const double Doubtful = 0.1;

    /// <summary>Does what <paramref name="request"/> says; the caller writes what <see cref="PlanJson"/> makes of it.</summary>
    public static PlanReport Run(PlanRequest request, Terminal terminal)
    {
        var environment = new EnvironmentReport();
        if (request.Network is { } network)
        {
            Team.Look(network.Work.RankTimeout, () => CheckOut(request));
            return NetworkPlanRun.Run(request, network, environment, terminal);
        }

        CheckOut(request);
        LayerTable table = LayerTable.Read(request.Table!);
        environment.Add("table", request.Table);
        environment.Add("table_sha256", EnvironmentReport.Sha256(request.Table!));
        PlanReport report = Plan(request, Chosen(request, request.Bits is { } bits ? table with { Bits = bits } : table), Path.GetFileName(request.Table!), terminal);
        environment.Add("limits", request.Limits.Select(limit => limit.Text));
        environment.Add("search", request.Search);
        environment.Add("seed", request.Seed);
        environment.Add("seconds", Math.Round(environment.Elapsed.TotalSeconds, 3));
        return report with { Environment = environment.Entries };
    }

    /// <summary>A table with the layers that the request fixes and groups.</summary>
    public static LayerTable Chosen(PlanRequest request, LayerTable table) =>
        request.Groups.Aggregate(table, (grouped, group) => grouped.WithGroup(group.Key, group.Value)).Fix(request.Fixed);

    /// <summary>Plans from a table, and compares.</summary>
    /// <param name="request">What was asked.</param>
    /// <param name="table">The table.</param>
    /// <param name="name">What the report is about.</param>
    /// <param name="terminal">Says when to stop.</param>
    /// <param name="found">A plan that was found in another way than by searching the table, and that way's name; null: none.</param>
    public static PlanReport Plan(PlanRequest request, LayerTable table, string name, Terminal terminal, (string Name, BitPlan Plan)? found = null)
    {
        var problem = new PlanningProblem(table);
        BitPlan plan = found?.Plan ?? KnownPlanners.Create(request.Search).Plan(problem, request.Limits, terminal.Cancellation);
        ChoiceUncertainty? uncertainty = found is not null ? null : ChoiceUncertainty.Of(problem, request.Limits, plan, request.Draws, request.Seed, terminal.Cancellation);
        return new PlanReport
        {
            Name = name,
            Environment = [],
            Problem = problem,
            Plan = plan,
            Search = found?.Name ?? request.Search,
            Limits = request.Limits,
            Others = [.. Others(request, problem, found is null ? request.Search : null, terminal.Cancellation)],
            Frontier = ParetoFrontier.Of(problem, request.Limits[0].Cost, terminal.Cancellation),
            Uncertainty = uncertainty,
            Findings = [.. Findings(problem, uncertainty).OrderByDescending(finding => finding.Severity)],
        };
    }

    /// <summary>Before anything is done: a place that can be written, and none of the files that are read.</summary>
    private static void CheckOut(PlanRequest request)
    {
        if (request.File is { } file)
        {
            AtomicFile.CheckFile(file);
            InputFiles.Refuse(file, request.Table, request.Network?.Work.Model, request.Network?.Work.Data, request.Network?.Test, request.Network?.Layers);
        }
    }

    private static IEnumerable<(string Name, BitPlan Plan)> Others(PlanRequest request, PlanningProblem problem, string? search, CancellationToken cancellation)
    {
        foreach (KnownPlanner planner in KnownPlanners.All.Where(planner => planner.Name != search))
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
                ChoicesFlip,
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
