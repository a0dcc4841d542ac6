using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

public class ReportWriterTests
{
    [Fact]
    public void Writes_the_page_the_numbers_and_the_figures()
    {
        using var folder = new TemporaryFolder();
        IReadOnlyList<string> written = ReportWriter.Write(Samples.Report, folder.File("new/report"));
        string[] names = ["report.html", "report.json", "spectral-density.svg", "eigenvalues.svg", "layer-traces.svg", "batch-sizes.svg", "landscape-curves.svg", "landscape.svg", "landscape-surface.svg"];
        Assert.Equal(names, written.Select(Path.GetFileName));
        Assert.Equal(written.Order(), Directory.GetFiles(folder.File("new/report")).Order());
        Assert.Contains("Spectral density", new Svg(File.ReadAllText(written[2])).Root.Elements().First().Value, StringComparison.Ordinal);
    }

    [Fact]
    public void A_figure_of_an_earlier_report_in_a_format_that_is_not_asked_for_goes_and_what_is_not_a_figure_stays()
    {
        using var folder = new TemporaryFolder();
        string picture = folder.File("report/eigenvalues.png"), other = folder.File("report/mine.png");
        Directory.CreateDirectory(folder.File("report"));
        File.WriteAllText(picture, "old");
        File.WriteAllText(other, "mine");
        Directory.CreateDirectory(folder.File("report/landscape.pdf"));
        Assert.Throws<OperationCanceledException>(() => ReportWriter.Write(Samples.Report, folder.File("report"), cancellationToken: new CancellationToken(canceled: true)));
        Assert.True(File.Exists(picture));
        ReportWriter.Write(Samples.Report, folder.File("report"));
        Assert.False(File.Exists(picture));
        Assert.True(File.Exists(other) && Directory.Exists(folder.File("report/landscape.pdf")));
    }

    [Fact]
    public void Leaves_an_earlier_report_as_it_was_when_cancelled()
    {
        using var folder = new TemporaryFolder();
        string page = ReportWriter.Write(Samples.Report, folder.File("report"))[0];
        string before = File.ReadAllText(page);
        var cancelled = new CancellationToken(canceled: true);
        Assert.Throws<OperationCanceledException>(() => ReportWriter.Write(Samples.Named("other"), folder.File("report"), cancellationToken: cancelled));
        Assert.Equal(before, File.ReadAllText(page));
        Assert.Equal(9, Directory.GetFiles(folder.File("report")).Length);
    }

    [Fact]
    public void Says_that_a_file_is_in_the_place_of_the_folder()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("report", "mine");
        var error = Assert.Throws<CurvatureException>(() => ReportWriter.Write(Samples.Report, file));
        Assert.Contains("a file is in the place of its folder", error.Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(file));
    }
}
