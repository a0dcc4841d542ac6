using System.Diagnostics;
using Curvature.Data;
using Curvature.Samples.Study;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Times the steps of all optimizers of the study in turns, so that what disturbs the machine disturbs all of them alike: a stretch of steps each, round after round, over the same batches. The
/// stretches together are long enough for what an optimizer does every hundredth step.
/// </summary>
internal static class OptimizerTimes
{
    private const int Stretch = 20, WarmUp = 5;

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        set_num_threads(1);
        int rounds = options.Quick ? 2 : 10, stretch = options.Quick ? 1 : Stretch;
        List<StepTimes> times = [];
        foreach (StudyProblem problem in KnownProblems.All)
        {
            using StudyData data = problem.Read();
            times.AddRange(Measure(problem, data, rounds, stretch, options.Quick ? 1 : WarmUp, cancellation));
            foreach (StepTimes time in times.Where(time => time.Problem == problem.Name))
            {
                Console.WriteLine($"{time.Problem,-8} {time.Optimizer,-12} {time.Milliseconds,8:F2} ms a step, standard error {time.Error:F2}, {time.Milliseconds / times.First(t => t.Problem == problem.Name).Milliseconds:F2}x AdamW");
            }
        }

        if (!options.Quick)
        {
            string folder = options.Out ?? OptimizerStudy.Folder;
            StepTimes.Write(Path.Combine(folder, StudyPage.Times), times);
            StudyPage.Write(folder, new StudyResults(Path.Combine(folder, OptimizerStudy.Results)));
        }
    }

    private static List<StepTimes> Measure(StudyProblem problem, StudyData data, int rounds, int stretch, int warmUp, CancellationToken cancellation)
    {
        Contender[] contenders = [.. KnownContenders.All.Where(contender => contender is { HasSteadySteps: true } && contender.Runs(problem))];
        List<nn.Module<Tensor, Tensor>> models = [];
        List<TrialStep> steps = [];
        using IEnumerator<long[]> rows = Trainer.Rows(data.Train.Count, problem.BatchSize, seed: 0).GetEnumerator();
        try
        {
            foreach (Contender contender in contenders)
            {
                manual_seed(0);
                models.Add(problem.Create());

                // So small a rate that the networks stay what they are.
                steps.Add(new TrialStep(models[^1], contender.Create(models[^1], 1e-7, 0)));
            }

            double[][] seconds = [.. steps.Select(_ => new double[rounds])];
            for (int round = -1; round < rounds; round++)
            {
                using DisposeScope scope = NewDisposeScope();
                Batch[] batches = [.. Enumerable.Range(0, round < 0 ? warmUp : stretch).Select(_ => Next())];
                for (int i = 0; i < steps.Count; i++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    double taken = Time(steps[i], batches);
                    if (round >= 0)
                    {
                        seconds[i][round] = taken / batches.Length;
                    }
                }
            }

            return [.. contenders.Select((contender, i) => Of(problem, contender, seconds[i]))];
        }
        finally
        {
            steps.ForEach(step => step.Dispose());
            models.ForEach(model => model.Dispose());
        }

        Batch Next()
        {
            rows.MoveNext();
            Tensor chosen = tensor(rows.Current);
            return new Batch(data.Train.Inputs.index_select(0, chosen), data.Train.Targets.index_select(0, chosen));
        }
    }

    private static double Time(TrialStep step, Batch[] batches)
    {
        long start = Stopwatch.GetTimestamp();
        foreach (Batch batch in batches)
        {
            using DisposeScope scope = NewDisposeScope();
            step.Take(batch);
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static StepTimes Of(StudyProblem problem, Contender contender, double[] seconds)
    {
        double mean = seconds.Average(), error = Math.Sqrt(seconds.Sum(s => (s - mean) * (s - mean)) / (seconds.Length - 1) / seconds.Length);
        return new StepTimes(problem.Name, contender.Name, contender.Settings, Math.Round(1000 * mean, 4), Math.Round(1000 * error, 4));
    }
}
