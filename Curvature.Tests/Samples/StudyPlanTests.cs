using Curvature.Samples.Study;
using Xunit;

namespace Curvature.Tests.Samples;

public sealed class StudyPlanTests
{
    private static readonly StudyProblem Problem = KnownProblems.All[0];
    private static readonly Contender Contender = KnownContenders.All[0];

    [Theory]
    [InlineData(-1.4)]
    [InlineData(-0.6)]
    [InlineData(0)]
    [InlineData(0.1)]
    [InlineData(0.7)]
    [InlineData(1.4)]
    public void Finds_the_best_rate_near_its_start_in_as_many_trials_as_everywhere(double decades)
    {
        double best = Contender.Rate * Math.Pow(10, decades);
        (StudyResults results, int runs) = Make(rate => 1 + Math.Pow(Math.Log10(rate / best), 2));

        StudyPlan plan = new();
        double found = plan.Tuned(Problem, Contender, results)!.Value;
        Assert.InRange(Math.Log10(found / best), -0.26, 0.26);
        Assert.Equal(6 + 2 + 3, runs);
        Assert.Equal(6, StudyPlan.Curve(Problem, Contender, results).Count);
        Assert.NotEqual(found, StudyPlan.Curve(Problem, Contender, results)[0].Rate);
        Assert.NotEqual(found, StudyPlan.Curve(Problem, Contender, results)[^1].Rate);
    }

    [Fact]
    public void Goes_on_beyond_the_border_as_long_as_there_are_trials()
    {
        (StudyResults results, _) = Make(rate => 1 / rate);
        IReadOnlyList<(double Rate, double Loss)> tried = StudyPlan.Curve(Problem, Contender, results);
        Assert.Equal(100, tried[^1].Rate / Contender.Rate, 1.0);
        Assert.Equal(tried[^1].Rate, new StudyPlan().Tuned(Problem, Contender, results));
    }

    [Fact]
    public void Keeps_away_from_rates_that_diverge()
    {
        (StudyResults results, int runs) = Make(rate => rate > Contender.Rate / 2 ? null : 1 / rate);
        Assert.InRange(new StudyPlan().Tuned(Problem, Contender, results)!.Value, Contender.Rate / 4, Contender.Rate / 2);
        Assert.Equal(11, runs);
    }

    [Fact]
    public void Ends_where_everything_diverges() => Assert.Equal(11, Make(_ => null).Runs);

    [Fact]
    public void Other_settings_and_other_batches_are_other_runs()
    {
        (StudyResults results, _) = Make(rate => rate);
        Assert.Null(new StudyPlan().Next(Problem, Contender, results));
        Assert.NotNull(new StudyPlan().Next(Problem, Contender with { Settings = "others" }, results));
        Assert.NotNull(new StudyPlan().Next(Problem with { BatchSize = 1 }, Contender, results));
    }

    [Fact]
    public void Goes_on_from_its_file_where_it_was_killed()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("runs.jsonl");
        StudyResults whole = new();
        StudyPlan plan = new();
        while (plan.Next(Problem, Contender, whole) is var (rate, seed, steps))
        {
            StudyResults kept = new(path);
            Assert.Equal((rate, seed, steps), plan.Next(Problem, Contender, kept));
            Trial trial = Of(rate, seed, steps, rate > Contender.Rate ? null : 1 + rate);
            whole.Add(trial);
            kept.Add(trial);
            File.AppendAllText(path, "{\"problem\":\"dig");
        }

        Assert.Equal(whole.All.Select(Line), new StudyResults(path).All.Select(Line));
        Assert.Equal(whole.All.Count, File.ReadLines(path).Count());

        static string Line(Trial trial) => $"{trial with { Losses = [0] }} {string.Join(' ', trial.Losses)}";
    }

    [Fact]
    public void A_damaged_line_is_named()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("runs.jsonl");
        File.WriteAllText(path, "{}\n");
        Assert.Contains("line 1", Assert.Throws<CurvatureException>(() => new StudyResults(path)).Message, StringComparison.Ordinal);
    }

    private static (StudyResults Results, int Runs) Make(Func<double, double?> loss)
    {
        StudyResults results = new();
        while (new StudyPlan().Next(Problem, Contender, results) is var (rate, seed, steps))
        {
            results.Add(Of(rate, seed, steps, loss(rate)));
        }

        return (results, results.All.Count);
    }

    private static Trial Of(double rate, int seed, int steps, double? loss) => new()
    {
        Problem = Problem.Name,
        Optimizer = Contender.Name,
        Settings = Contender.Settings,
        Rate = rate,
        Seed = seed,
        Steps = steps,
        BatchSize = Problem.BatchSize,
        Losses = [2, loss],
        WallSeconds = 1,
        CpuSeconds = 1,
        Skipped = 0,
    };
}
