using System.Text;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;

namespace Curvature.Samples.Study;

/// <summary>The page of the study and its figures, from the results alone. What stands between its two marks is written by hand and kept.</summary>
internal static class StudyPage
{
    public const string Name = "optimizers.md", Times = "optimizers-times.jsonl";

    /// <summary>Writes page and figures beside the results.</summary>
    public static void Write(string folder, StudyResults results)
    {
        string page = Path.Combine(folder, Name);
        string earlier = File.Exists(page) ? File.ReadAllText(page) : "";
        AtomicFile.WriteAll([.. Files(results, StepTimes.Read(Path.Combine(folder, Times)), earlier).Select(file => (Path.Combine(folder, file.Name), AtomicFile.Text(file.Text)))]);
    }

    /// <summary>The files.</summary>
    /// <param name="results">All runs.</param>
    /// <param name="times">Times of a step.</param>
    /// <param name="earlier">The page as it was, for what was written by hand in it.</param>
    public static IReadOnlyList<(string Name, string Text)> Files(StudyResults results, IReadOnlyList<StepTimes> times, string earlier)
    {
        ProblemReport[] reports = [.. KnownProblems.All.Select(problem => new ProblemReport(problem, results, times)).Where(report => report.Reference is not null)];
        return
        [
            (Name, Page(reports, HandWritten.In(earlier))),
            .. reports.SelectMany(report => report.Figures).Select(figure =>
                (figure.Name + ".svg", AccessibleSvg.Of(figure.ToSvg(FigureTheme.Paper), figure.Name, figure.Title, figure.Description) + "\n")),
        ];
    }

    private static string Page(IReadOnlyList<ProblemReport> reports, string hand)
    {
        StudyPlan plan = new();
        StringBuilder page = new();
        page.Append(
            $"""
            # Optimizers at an equal budget

            Every optimizer of this library that sees curvature, beside tuned first-order ones, on three problems. For each problem an optimizer gets {plan.Trials} trials of its learning rate (seed 0, all steps; half a
            decade apart and beyond the best while that is at the border, then between the best and its neighbours), and then, at the rate with the lowest training loss at the end, {plan.Seeds} seeds. Batches,
            initial weights and schedule are the same for all: a warm-up in a straight line over the first twentieth of the steps, then a cosine to 0. Other settings are the defaults, but for those named
            here, and nobody decays weights: what is compared is how fast the training loss falls. float32, one thread, Debian's libtorch 1.13.1 over OpenBLAS.

            ± is a standard error over the {plan.Seeds} seeds. Two losses *tie* where their difference is within its 95 % interval (2.78 standard errors). Seed 0 chose the rate and is one of the {plan.Seeds}, for all alike.


            """.ReplaceLineEndings("\n"));
        page.Append("| optimizer | settings |\n|---|---|\n");
        foreach (Contender contender in KnownContenders.All)
        {
            page.Append($"| {contender.Name} | {contender.Settings} |\n");
        }

        page.Append(
            """

            MKOR with its switch to the gradient (MKOR-H) is not run apart: by its default rule it can turn at step 290 at the earliest, when these short runs are nearly over.

            """.ReplaceLineEndings("\n"));
        page.Append("\n## In short\n\n").Append(ProblemReport.Overview(reports)).Append('\n');
        foreach (ProblemReport report in reports)
        {
            page.Append(report.Verdict).Append('\n');
        }

        page.Append('\n').Append(HandWritten.Begins).Append(hand).Append(HandWritten.Ends);
        foreach (ProblemReport report in reports)
        {
            page.Append('\n').Append(report.Section());
        }

        return page.Append(
            """

            ## How this page is made

            ```sh
            dotnet run --project samples -c Release -- optimizer-study    # makes the runs that are missing in optimizers.jsonl, then this page and its figures
            dotnet run --project samples -c Release -- optimizer-times    # times the steps of all optimizers in turns; for a machine with nothing else to do
            ```

            All runs are in [optimizers.jsonl](optimizers.jsonl), with every loss on their way, their wall time and their processor time. Deleting lines there makes those runs again; an optimizer is added by a line in
            `samples/Study/KnownContenders.cs`. Fashion-MNIST and the Jargon File come from the Debian packages `dataset-fashion-mnist` and `jargon-text`.

            """.ReplaceLineEndings("\n")).ToString();
    }
}
