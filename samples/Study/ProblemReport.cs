using System.Globalization;
using System.Text;
using Curvature.Estimators;
using Curvature.Viz.Figures;

namespace Curvature.Samples.Study;

/// <summary>What the page says of one problem. Only optimizers with all their runs are in it.</summary>
internal sealed class ProblemReport
{
    private readonly StudyProblem _problem;
    private readonly bool _quiet;

    public ProblemReport(StudyProblem problem, StudyResults results, IReadOnlyList<StepTimes> times)
    {
        _problem = problem;
        StudyPlan plan = new();
        Contender[] complete = [.. KnownContenders.All.Where(contender => contender.Runs(problem) && plan.Next(problem, contender, results) is null)];
        StepTimes? Time(Contender contender) => times.FirstOrDefault(time => time.Problem == problem.Name && time.Optimizer == contender.Name && time.Settings == contender.Settings);
        _quiet = complete.All(contender => !contender.HasSteadySteps || Time(contender) is not null);
        Standings =
        [
            .. complete.Select(contender =>
            {
                double rate = plan.Tuned(problem, contender, results)!.Value;
                Trial[] all = [.. results.Of(problem, contender)], full = Runs(all, rate, problem.Steps), brief = Runs(all, rate, problem.ShortSteps);
                double seconds = _quiet && contender.HasSteadySteps ? Time(contender)!.Milliseconds / 1000 : full.Average(trial => trial.CpuSeconds / trial.Steps);
                return new Standing(contender, rate, StudyPlan.Curve(problem, contender, results), full, brief, seconds);
            }).OrderBy(standing => standing.Final.Value),
        ];
    }

    /// <summary>From the lowest loss to the highest.</summary>
    public IReadOnlyList<Standing> Standings { get; }

    /// <summary>AdamW; null as long as its runs are not made.</summary>
    public Standing? Reference => Standings.FirstOrDefault(standing => standing.Name == "AdamW");

    public IReadOnlyList<Figure> Figures => [new LossFigure(_problem, Standings, bySeconds: false), new LossFigure(_problem, Standings, bySeconds: true)];

    /// <summary>Whether AdamW's best loss is reached in 0.7 of its steps, by whom, and at what cost.</summary>
    public string Verdict
    {
        get
        {
            Standing adam = Reference!;
            Standing[] there = [.. Standings.Where(standing => standing != adam && (IsThere(standing) || IsThereOnItsWay(standing))).OrderBy(standing => standing.BriefFinal.Value)];
            Standing[] second = [.. there.Where(standing => !standing.IsFirstOrder)], first = [.. there.Where(standing => standing.IsFirstOrder)];
            Standing[] others = [.. Standings.Where(standing => !standing.IsFirstOrder).OrderBy(standing => standing.BriefFinal.Value)];
            string start = $"- **{_problem.Title}.** AdamW's best loss is {NumberText.Of(adam.Best, 3)}, after {_problem.Steps} steps. ";
            string word = second.Length > 0
                ? $"Within 0.7 of these steps, {_problem.ShortSteps}, it is reached by {List(second)}."
                : others.Length == 0
                    ? "No optimizer that sees curvature has run yet."
                    : $"No optimizer that sees curvature reaches it within 0.7 of these steps, {_problem.ShortSteps}: the lowest at the end of a schedule of that length is {others[0].Name} at {NumberText.Of(others[0].BriefFinal)}{OnTheWay(others)}.";
            return start + word + (first.Length > 0 ? $" So do, without curvature, {List(first)}." : "");
        }
    }

    /// <summary>The first to reach AdamW's loss on the way of a full run, if any does.</summary>
    private string OnTheWay(Standing[] standings) => standings.MinBy(standing => standing.StepsTo(Reference!.Best) ?? double.PositiveInfinity) is { } first && first.StepsTo(Reference!.Best) is { } steps
        ? $", the first on the way of its full run {first.Name} at step {steps.ToString("F0", CultureInfo.InvariantCulture)}, {Ratio(steps / _problem.Steps)} AdamW's steps and {Ratio(steps * first.StepSeconds / (_problem.Steps * Reference.StepSeconds))} its time"
        : "";

    /// <summary>One line an optimizer, one column a problem.</summary>
    public static string Overview(IReadOnlyList<ProblemReport> reports)
    {
        StringBuilder table = new();
        table.Append("Training loss after all steps, and how it compares with AdamW's; in brackets the time of the run in AdamW's.\n\n");
        table.Append($"| optimizer | {string.Join(" | ", reports.Select(report => report._problem.Title))} |\n|---|{string.Concat(reports.Select(_ => "---|"))}\n");
        foreach (Contender contender in KnownContenders.All)
        {
            IEnumerable<string> cells = reports.Select(report => report.Standings.FirstOrDefault(standing => standing.Contender == contender) is { } standing
                ? $"{NumberText.Of(standing.Final)}{(standing == report.Reference ? "" : $", {report.Word(standing.Final)} ({Ratio(standing.StepSeconds / report.Reference!.StepSeconds)})")}"
                : "not run");
            table.Append($"| {contender.Name} | {string.Join(" | ", cells)} |\n");
        }

        return table.ToString();
    }

    /// <summary>Its part of the page.</summary>
    public string Section()
    {
        Standing adam = Reference!;
        double best = adam.Best, halfway = adam.Curve.First(point => point.Step >= _problem.Steps / 2).Loss;
        StringBuilder text = new();
        text.Append($"## {_problem.Title}\n\n");
        text.Append($"{char.ToUpperInvariant(_problem.Text[0])}{_problem.Text[1..]}. Batches of {_problem.BatchSize}, {_problem.Steps} steps.\n\n");
        text.Append($"![Training loss by steps]({Figures[0].Name}.svg)\n\n![Training loss by seconds]({Figures[1].Name}.svg)\n\n");
        text.Append($"| optimizer | rate | training loss | against AdamW | after {_problem.ShortSteps} steps | test loss | test accuracy | a step, ms | in AdamW's |\n|---|---|---|---|---|---|---|---|---|\n");
        foreach (Standing standing in Standings)
        {
            text.Append(
                $"| {standing.Name} | {Plain(standing.Rate)}{(standing.IsAtBorder ? " (at the border)" : "")} | {NumberText.Of(standing.Final)} | {(standing == adam ? "" : Word(standing.Final))} | " +
                $"{NumberText.Of(standing.BriefFinal)}{(IsThere(standing) && standing != adam ? " ✓" : "")} | {NumberText.Of(standing.TestLoss)} | {NumberText.Percent(standing.TestAccuracy)} | " +
                $"{NumberText.Of(1000 * standing.StepSeconds, 3)} | {Ratio(standing.StepSeconds / adam.StepSeconds)} |\n");
        }

        text.Append($"\nThe column *after {_problem.ShortSteps} steps* is of runs of their own, at the same rate, whose schedule ends there; ✓: at or below AdamW's best loss of {NumberText.Of(best, 3)}.\n\n");
        text.Append($"On the way of the full runs, mean over seeds: steps and seconds to AdamW's best loss, and to {NumberText.Of(halfway, 3)}, which AdamW has halfway.\n\n");
        text.Append("| optimizer | steps to the best | in AdamW's | seconds | in AdamW's | steps to halfway's | seconds | in AdamW's |\n|---|---|---|---|---|---|---|---|\n");
        foreach (Standing standing in Standings.OrderBy(standing => standing.StepsTo(best) ?? double.PositiveInfinity).ThenBy(standing => standing.StepsTo(halfway) ?? double.PositiveInfinity))
        {
            text.Append($"| {standing.Name} | {Reach(standing, best, withRatioOfSteps: true)} | {Reach(standing, halfway, withRatioOfSteps: false)} |\n");
        }

        text.Append(_quiet
            ? $"\nSeconds are steps times the time of a step, measured apart: all optimizers in turns, on a machine with nothing else to do.{Unsteady()}\n\n"
            : "\nSeconds are those of the processor in the runs, which shared the machine with other work.\n\n");
        text.Append("All trials, learning rate and training loss at the end of seed 0:\n\n| optimizer | trials |\n|---|---|\n");
        foreach (Standing standing in Standings)
        {
            IEnumerable<string> trials = standing.Trials.Select(trial => $"{Plain(trial.Rate)}: {(double.IsFinite(trial.Loss) ? NumberText.Of(trial.Loss, 3) : "diverged")}");
            text.Append($"| {standing.Name} | {string.Join(", ", trials)} |\n");
        }

        return text.ToString();
    }

    private string Unsteady() => string.Join(", ", Standings.Where(standing => !standing.Contender.HasSteadySteps).Select(standing => standing.Name)) is { Length: > 0 } names
        ? $" Those of {names}, whose steps take as many products as they need, are the processor's in the runs."
        : "";

    private static Trial[] Runs(Trial[] all, double rate, int steps) => [.. all.Where(trial => trial.Rate == rate && trial.Steps == steps).OrderBy(trial => trial.Seed)];

    private bool IsThere(Standing standing) => standing.BriefFinal.Value <= Reference!.Best;

    private bool IsThereOnItsWay(Standing standing) => standing.StepsTo(Reference!.Best) <= _problem.ShortSteps;

    private string Word(Estimate loss) => Standing.Compare(loss, Reference!.Final) switch { < 0 => "lower", > 0 => "higher", _ => "tie" };

    /// <summary>Names, losses and the time of the short runs, or of the way to AdamW's loss in the full ones, in full runs of AdamW.</summary>
    private string List(IEnumerable<Standing> standings) => string.Join(", ", standings.Select(standing =>
    {
        double adams = _problem.Steps * Reference!.StepSeconds, steps = IsThere(standing) ? _problem.ShortSteps : standing.StepsTo(Reference.Best)!.Value;
        string how = IsThere(standing)
            ? $"{NumberText.Of(standing.BriefFinal)} at the end of a schedule of that length{(Standing.Compare(standing.BriefFinal, Reference.Final) == 0 ? ", a tie" : "")}"
            : $"at step {steps.ToString("F0", CultureInfo.InvariantCulture)} on the way of its full run; {NumberText.Of(standing.BriefFinal)} at the end of the shorter schedule";
        return $"{standing.Name} ({how}; in {Ratio(steps * standing.StepSeconds / adams)} AdamW's time)";
    }));

    private string Reach(Standing standing, double loss, bool withRatioOfSteps)
    {
        string steps(double value) => value.ToString("F0", CultureInfo.InvariantCulture);
        if (standing.StepsTo(loss) is not { } own || Reference!.StepsTo(loss) is not { } adams)
        {
            return withRatioOfSteps ? "not reached | | | " : "not reached | | ";
        }

        double seconds = own * standing.StepSeconds;
        return steps(own) + (withRatioOfSteps ? $" | {Ratio(own / adams)}" : "") + $" | {NumberText.Of(seconds, 3)} | {Ratio(seconds / (adams * Reference.StepSeconds))}";
    }

    private static string Ratio(double value) => value.ToString("F2", CultureInfo.InvariantCulture) + "\u00A0×";

    private static string Plain(double value) => value.ToString("0.######", CultureInfo.InvariantCulture);
}
