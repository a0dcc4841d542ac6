using Curvature.Samples;
using Curvature.Samples.Study;
using Xunit;

namespace Curvature.Tests.Samples;

/// <summary>The committed page, figures and results of the study agree.</summary>
public sealed class StudyPageTests
{
    private const string Folder = OptimizerStudy.Folder;

    private static readonly StudyResults Results = new(Repository.File($"{Folder}/{OptimizerStudy.Results}"));

    [Fact]
    [Trait("Engine", "StandIn")] // OxyPlot itself draws other SVG
    public void The_page_and_its_figures_are_what_the_results_say()
    {
        string page = File.ReadAllText(Repository.File($"{Folder}/{StudyPage.Name}"));
        IReadOnlyList<(string Name, string Text)> files = StudyPage.Files(Results, StepTimes.Read(Repository.File($"{Folder}/{StudyPage.Times}")), page);

        Assert.All(files, file => Approved.Matches(file.Text, $"{Folder}/{file.Name}"));
        Assert.Equal(
            files.Select(file => file.Name).Where(name => name.EndsWith(".svg", StringComparison.Ordinal)).Order(),
            Directory.EnumerateFiles(Repository.File(Folder), "*-by-*.svg").Select(Path.GetFileName).Order()!);
    }

    [Fact]
    public void The_page_is_the_same_under_a_decimal_comma()
    {
        string expected = StudyPage.Files(Results, [], "")[0].Text;
        using var culture = new DecimalComma();
        Assert.Equal(expected, StudyPage.Files(Results, [], "")[0].Text);
    }

    [Fact]
    public void What_was_written_by_hand_stays()
    {
        string page = StudyPage.Files(Results, [], "")[0].Text;
        string written = page.Replace("<!-- by hand -->\n", "<!-- by hand -->\nWhy so.\n", StringComparison.Ordinal);
        Assert.NotEqual(page, written);
        Assert.Equal(written, StudyPage.Files(Results, [], written)[0].Text);
    }

    [Fact]
    public void Optimizers_whose_runs_are_not_all_made_are_not_compared()
    {
        StudyResults part = new();
        foreach (Trial trial in Results.All.Where(trial => trial.Optimizer != "SGD").Concat(Results.All.Where(trial => trial.Optimizer == "SGD").Take(5)))
        {
            part.Add(trial);
        }

        Assert.DoesNotContain(new ProblemReport(KnownProblems.All[0], part, []).Standings, standing => standing.Name == "SGD");
        Assert.Contains(new ProblemReport(KnownProblems.All[0], Results, []).Standings, standing => standing.Name == "SGD");
    }
}
