using Curvature.Samples.Study;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Every optimizer at the same budget on three problems: as many trials of the learning rate, the same batches and schedule, three seeds. Finished runs are kept in <c>optimizers.jsonl</c>; what is
/// missing there is made, for an hour or two if it is all; the page <c>optimizers.md</c> and its figures are then written from that file alone. Interrupted, it goes on where it was.
/// </summary>
internal static class OptimizerStudy
{
    public const string Folder = "docs/studies", Results = "optimizers.jsonl";

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        set_num_threads(1);
        if (options.Quick)
        {
            StudyPlan brief = new(Trials: 1, Seeds: 1);
            StudyResults kept = new();
            foreach (StudyProblem problem in KnownProblems.All)
            {
                Make(problem with { Steps = 3 }, KnownContenders.All, brief, kept, cancellation);
            }

            return;
        }

        string folder = options.Out ?? Folder;
        StudyResults results = new(Path.Combine(folder, Results));
        try
        {
            foreach (StudyProblem problem in KnownProblems.All)
            {
                Make(problem, KnownContenders.All, new StudyPlan(), results, cancellation);
            }
        }
        finally
        {
            StudyPage.Write(folder, results);
            Console.WriteLine($"wrote {Path.Combine(folder, StudyPage.Name)} from {results.All.Count} runs");
        }
    }

    /// <summary>Makes the runs of one problem that are missing. Its data are read only if there are any.</summary>
    private static void Make(StudyProblem problem, IReadOnlyList<Contender> contenders, StudyPlan plan, StudyResults results, CancellationToken cancellation)
    {
        if (contenders.All(contender => plan.Next(problem, contender, results) is null))
        {
            return;
        }

        using StudyData data = problem.Read();
        foreach (Contender contender in contenders)
        {
            while (plan.Next(problem, contender, results) is var (rate, seed, steps))
            {
                Trial trial = Trainer.Run(problem, data, contender, rate, seed, steps, cancellation);
                results.Add(trial);
                Console.WriteLine(
                    $"{problem.Name,-8} {contender.Name,-12} rate {rate,-8} seed {seed} steps {steps,4}: loss {trial.Final:g5}, test accuracy {trial.TestAccuracy:P1}, " +
                    $"{1000 * trial.WallSeconds / steps:F1} ms a step ({1000 * trial.CpuSeconds / steps:F1} of the processor)");
            }
        }
    }
}
