using Curvature.Samples;
using Curvature.Samples.Quantization;
using Xunit;

namespace Curvature.Tests.Samples;

/// <summary>The committed page, figures and results of the study agree.</summary>
public sealed class QuantizationPageTests
{
    private const string Folder = QuantizationStudy.Folder;

    private static readonly QuantizationResults Results = new(Repository.File(Folder));

    [Fact]
    [Trait("Engine", "StandIn")] // OxyPlot itself draws other SVG
    public void The_page_and_its_figures_are_what_the_results_say()
    {
        string page = File.ReadAllText(Repository.File($"{Folder}/{QuantizationPage.Name}"));
        IReadOnlyList<(string Name, string Text)> files = QuantizationPage.Files(Results, page);
        Assert.All(files, file => Approved.Matches(file.Text, $"{Folder}/{file.Name}"));
        Assert.Equal(
            files.Select(file => file.Name).Where(name => name.EndsWith(".svg", StringComparison.Ordinal)).Order(),
            Directory.EnumerateFiles(Repository.File(Folder), "quantization-*.svg").Select(Path.GetFileName).Order()!);
    }

    [Fact]
    public void The_page_is_the_same_under_a_decimal_comma()
    {
        string expected = QuantizationPage.Files(Results, "")[0].Text;
        using var culture = new DecimalComma();
        Assert.Equal(expected, QuantizationPage.Files(Results, "")[0].Text);
    }
}
