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
            Try(cancellation);
            return;
        }

        string folder = options.Out ?? Folder;
        StudyResults results = new(Path.Combine(folder, Results));
        try
        {
            foreach (StudyProblem problem in KnownProblems.All)
            {
                Make(problem, results, cancellation);
            }
        }
        finally
        {
            StudyPage.Write(folder, results);
            Console.WriteLine($"wrote {Path.Combine(folder, StudyPage.Name)} from {results.All.Count} runs");
        }
    }

    /// <summary>Two steps of every optimizer on every problem; nothing is kept.</summary>
    private static void Try(CancellationToken cancellation)
    {
        foreach (StudyProblem problem in KnownProblems.All)
        {
            using StudyData data = problem.Read();
            foreach (Contender contender in KnownContenders.All.Where(contender => contender.Runs(problem)))
            {
                Print(Trainer.Run(problem, data, contender, contender.Rate, seed: 0, steps: 2, cancellation));
            }
        }
    }

    /// <summary>Makes the runs of one problem that are missing. Its data are read only if there are any.</summary>
    private static void Make(StudyProblem problem, StudyResults results, CancellationToken cancellation)
    {
        StudyPlan plan = new();
        Contender[] contenders = [.. KnownContenders.All.Where(contender => contender.Runs(problem))];
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
                Print(trial);
            }
        }
    }

    private static void Print(Trial trial) => Console.WriteLine(
        $"{trial.Problem,-8} {trial.Optimizer,-20} rate {trial.Rate,-8} seed {trial.Seed} steps {trial.Steps,4}: loss {trial.Final:g5}, test accuracy {trial.TestAccuracy:P1}, " +
        $"{1000 * trial.WallSeconds / trial.Steps:F1} ms a step ({1000 * trial.CpuSeconds / trial.Steps:F1} of the processor)");
}
