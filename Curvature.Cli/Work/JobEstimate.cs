using Curvature.Cli.Output;
using Curvature.Estimators;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary><c>--estimate</c>: what a job takes in time, memory and disk, as asked and as it would be cut to fit, and what to change where it does not.</summary>
internal sealed record JobEstimate
{
    private const int MostRanks = 4096;

    /// <summary>Under what circumstances it was made.</summary>
    public required EnvironmentReport Environment { get; init; }

    /// <summary>All that was asked for.</summary>
    public required JobCost Asked { get; init; }

    /// <summary>What the budget and memory leave of it.</summary>
    public required JobCost Fitted { get; init; }

    public required TimeSpan Budget { get; init; }

    /// <summary>Bytes that each rank can still take.</summary>
    public required double FreeMemory { get; init; }

    /// <summary>How many ranks share a machine, and what is free of it.</summary>
    public int RanksOfMachine { get; init; } = 1;

    /// <summary>Bytes that are free where the checkpoint goes; null where none was asked for.</summary>
    public double? FreeDisk { get; init; }

    /// <summary>What a reader must know of the work whatever it takes.</summary>
    public IReadOnlyList<Finding> Circumstances { get; init; } = [];

    /// <summary>What the table says nothing about.</summary>
    public required IReadOnlyList<string> LeftOut { get; init; }

    private bool IsCut => Fitted.Plan != Asked.Plan;

    /// <summary>Prints it for a person.</summary>
    public void Print(Terminal terminal)
    {
        terminal.Print(FormattableString.Invariant(
            $"{Format.Count(Asked.Parameters, "parameter")}, {Format.Count(Asked.Ranks, "rank")}{Machines}; a product of one sample {Format.Duration(TimeSpan.FromSeconds(Asked.Product.Graph + Asked.Product.Product))}, its graph {Format.Bytes(Asked.Product.GraphBytes)}; vectors at {Format.Bytes(Asked.Speed.VectorBytes)}/s"));
        terminal.Print();
        terminal.Print(["", "as asked", .. IsCut ? [$"within {Format.Duration(Budget)}"] : Array.Empty<string>()], Rows());
        ReportText.Findings(terminal, Findings());
        if (LeftOut.Count > 0)
        {
            terminal.Print();
            terminal.Print($"not counted: {string.Join(", ", LeftOut)}");
        }
    }

    /// <summary>The same as one JSON object.</summary>
    public string Json() => new JsonReport(Environment.Entries).Add("estimate", Members(Asked)).Add("within_budget", Members(Fitted)).Write(Findings());

    /// <summary>What does not fit, and what to change.</summary>
    public IReadOnlyList<Finding> Findings()
    {
        List<Finding> findings = [.. Circumstances];
        if (Asked.LeastBytes > FreeMemory)
        {
            CostPart largest = Asked.Memory.MaxBy(part => part.Amount);
            findings.Add(Finding.Of(
                "memory",
                Fitted.LeastBytes > FreeMemory ? Severity.Error : Severity.Warning,
                $"The job takes {Format.Bytes(Asked.LeastBytes)} on each rank and {Format.Bytes(FreeMemory)} are free. Most is for {largest.Name}: {Remedy(largest.Name)}.",
                ("bytes", Asked.LeastBytes),
                ("free", FreeMemory)));
        }

        if (Asked.Seconds > ProductBudget.Fill * Budget.TotalSeconds)
        {
            double minutes = Math.Ceiling(Asked.Seconds / ProductBudget.Fill / 6) / 10;
            string ranks = Asked.RanksFor(ProductBudget.Fill * Budget.TotalSeconds) is { } enough && enough > Asked.Ranks && enough <= MostRanks ? $"; so do {enough} ranks (mpirun -n {enough})" : "";
            string cuts = IsCut ? $" It is cut to {string.Join(", ", Fitted.Plan.CutsFrom(Asked.Plan))}." : " It cannot be cut any further.";
            findings.Add(Finding.Of(
                "time",
                Severity.Warning,
                FormattableString.Invariant($"All that is asked for takes about {Format.Duration(TimeSpan.FromSeconds(Asked.Seconds))}, and --budget allows {Format.Duration(Budget)}.{cuts} --budget {minutes} does it all{ranks}."),
                ("seconds", Asked.Seconds),
                ("budget_minutes", Budget.TotalMinutes)));
        }

        long batches = (Asked.Plan.Samples + Asked.BatchSize - 1) / Asked.BatchSize;
        if (batches < Asked.Ranks)
        {
            findings.Add(Finding.Of(
                "idle-ranks",
                Severity.Warning,
                $"{Format.Count(batches, "batch", "batches")} of {Asked.BatchSize} samples keep {Format.Count(batches, "rank")} busy; the other {Asked.Ranks - batches} wait. Take fewer ranks, or --batch-size {Math.Max(1, Asked.Plan.Samples / Asked.Ranks)}.",
                ("batches", batches),
                ("ranks", Asked.Ranks)));
        }

        if (FreeDisk is { } disk && Fitted.CheckpointBytes > disk)
        {
            findings.Add(Finding.Of(
                "disk",
                Severity.Warning,
                $"The checkpoint takes {Format.Bytes(Fitted.CheckpointBytes)} and {Format.Bytes(disk)} are free: products beyond that are not kept. Name a folder on a larger disk, or ask for fewer products.",
                ("bytes", Fitted.CheckpointBytes),
                ("free", disk)));
        }

        return findings;
    }

    private string Machines => Asked.Ranks == 1 ? "" : RanksOfMachine == 1 ? ", each on a machine like this" : $", {RanksOfMachine} of them on a machine like this";

    private string Remedy(string part)
    {
        if (part.Contains("density", StringComparison.Ordinal))
        {
            double rest = Asked.LeastBytes - Asked.Memory[^1].Amount;
            WorkPlan fits = Asked.Plan.WithinMemory((long)Math.Max(1, (FreeMemory - rest) / Asked.Parameters / Asked.ElementSize / 1.1));
            return $"--steps {fits.Steps} --runs {fits.Runs} would fit, or fewer --parameters";
        }

        return part switch
        {
            "graphs" => $"a smaller --batch-size, such as {Math.Max(1, Asked.BatchSize / 8)}",
            "data" when Asked.Ranks > 1 => $"of {2 * Asked.Ranks} ranks each would read half as many samples, or name fewer --samples",
            "data" => "one process reads the whole file, of several ranks each its share; or store the samples that are needed in a file of their own",
            _ => "fewer --parameters, one layer after the other, or a machine with more memory",
        };
    }

    private IEnumerable<string[]> Rows()
    {
        string[] Row(string name, Func<JobCost, string> cell) => [name, cell(Asked), .. IsCut ? [cell(Fitted)] : Array.Empty<string>()];
        string Part(IReadOnlyList<CostPart> parts, string name, Func<double, string> format) =>
            parts.Any(part => part.Name == name) ? format(parts.First(part => part.Name == name).Amount) : "";
        string Time(double seconds) => Format.Duration(TimeSpan.FromSeconds(seconds));
        yield return Row("samples", cost => Format.Count(cost.Plan.Samples));
        yield return Row("products", cost => Format.Count((long)(cost.Plan.Products * cost.Repeats)));
        yield return Row("time", cost => Time(cost.Seconds));
        foreach (string name in Asked.Time.Select(part => part.Name))
        {
            yield return Row($"  {name}", cost => Part(cost.Time, name, Time));
        }

        yield return Row("memory of a rank", cost => Format.Bytes(cost.Bytes));
        foreach (string name in Asked.Memory.Concat(Fitted.Memory).Select(part => part.Name).Distinct())
        {
            yield return Row($"  {name}", cost => Part(cost.Memory, name, Format.Bytes));
        }

        yield return Row("memory that is free", _ => Format.Bytes(FreeMemory));
        yield return Row("disk of a --checkpoint", cost => Format.Bytes(cost.CheckpointBytes));
    }

    private static Dictionary<string, object?> Members(JobCost cost) => new()
    {
        ["ranks"] = cost.Ranks,
        ["samples"] = cost.Plan.Samples,
        ["products"] = (long)(cost.Plan.Products * cost.Repeats),
        ["seconds"] = cost.Seconds,
        ["time"] = cost.Time.ToDictionary(part => part.Name, part => (object?)part.Amount),
        ["bytes"] = cost.Bytes,
        ["least_bytes"] = cost.LeastBytes,
        ["memory"] = cost.Memory.ToDictionary(part => part.Name, part => (object?)part.Amount),
        ["checkpoint_bytes"] = cost.CheckpointBytes,
    };
}
