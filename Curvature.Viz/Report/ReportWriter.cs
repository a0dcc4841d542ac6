using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>Writes a report's files into a folder, all or none.</summary>
public static class ReportWriter
{
    /// <summary>
    /// Writes <c>report.html</c>, <c>report.json</c> and one SVG per figure into <paramref name="folder"/>, which is created if missing.
    /// Files of an earlier report are replaced only once all new ones are on the disk; then a figure's PNG and PDF of an earlier report, where they are not asked for now, are deleted.
    /// </summary>
    /// <param name="report">The report.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="format">The figures in another format too.</param>
    /// <param name="cancellationToken">Before the first file appears.</param>
    /// <returns>The paths written, the page first.</returns>
    /// <exception cref="CurvatureException">The folder cannot be written; nothing was changed.</exception>
    public static IReadOnlyList<string> Write(SharpnessReport report, string folder, FigureFormat format = FigureFormat.Svg, CancellationToken cancellationToken = default) =>
        Write(SharpnessContent.Of(report), SharpnessJson.Write(report), folder, format, cancellationToken);

    /// <summary>Writes the page of any content, its figures and <paramref name="json"/>.</summary>
    /// <returns>The paths written, the page first.</returns>
    /// <exception cref="CurvatureException">The folder cannot be written; nothing was changed.</exception>
    public static IReadOnlyList<string> Write(
        ReportContent content,
        string json,
        string folder,
        FigureFormat format = FigureFormat.Svg,
        CancellationToken cancellationToken = default) => Write(content, json, folder, "report", format, cancellationToken);

    /// <summary>The same under other names than <c>report.html</c> and <c>report.json</c>.</summary>
    internal static IReadOnlyList<string> Write(ReportContent content, string json, string folder, string name, FigureFormat format, CancellationToken cancellationToken)
    {
        IEnumerable<ReportBlock> blocks = content.Sections.SelectMany(section => section.Blocks);
        IEnumerable<Figure> figures = blocks.OfType<ReportFigure>().Select(block => block.Figure);
        return WriteAll(
            [(Path.Combine(folder, name + ".html"), AtomicFile.Text(HtmlReport.Write(content))), (Path.Combine(folder, name + ".json"), AtomicFile.Text(json))],
            [.. figures],
            folder,
            format,
            cancellationToken);
    }

    /// <summary>Writes figures as SVGs and <paramref name="json"/> into <paramref name="folder"/>, without a page.</summary>
    /// <param name="figures">The figures, under their names.</param>
    /// <param name="name">File name of the numbers.</param>
    /// <param name="json">The numbers.</param>
    /// <param name="folder">Created if missing.</param>
    /// <param name="format">The figures in another format too.</param>
    /// <param name="cancellationToken">Before the first file appears.</param>
    /// <returns>The paths written, the numbers first.</returns>
    /// <exception cref="CurvatureException">The folder cannot be written; nothing was changed.</exception>
    public static IReadOnlyList<string> Write(IReadOnlyList<Figure> figures, string name, string json, string folder, FigureFormat format = FigureFormat.Svg, CancellationToken cancellationToken = default) =>
        WriteAll([(Path.Combine(folder, name), AtomicFile.Text(json))], figures, folder, format, cancellationToken);

    private static string[] WriteAll(
        IReadOnlyList<(string Path, Action<Stream> Write)> texts, IReadOnlyList<Figure> figures, string folder, FigureFormat format, CancellationToken cancellationToken)
    {
        List<(string Path, Action<Stream> Write)> files = [.. texts, .. figures.SelectMany(figure => Files(figure, folder, format, cancellationToken))];
        AtomicFile.WriteAll(files, cancellationToken);
        string[] written = [.. files.Select(file => file.Path)];
        foreach (string earlier in figures.SelectMany(figure => Enum.GetValues<FigureFormat>().Select(other => PathOf(figure, folder, other))).Except(written).Where(File.Exists))
        {
            Delete(earlier);
        }

        return written;
    }

    /// <summary>A picture of an earlier report beside a new one of the same name would be taken for the same.</summary>
    private static void Delete(string earlier)
    {
        try
        {
            File.Delete(earlier);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CurvatureException($"The report is written, but '{earlier}', a figure of an earlier one, cannot be deleted: {e.Message} Delete it, or choose another folder.", e);
        }
    }

    private static string PathOf(Figure figure, string folder, FigureFormat format) => Path.Combine(folder, $"{figure.Name}.{format.ToString().ToLowerInvariant()}");

    /// <summary>The SVG of a figure and, converted before any file is written, what is asked for beside it.</summary>
    private static IEnumerable<(string Path, Action<Stream> Write)> Files(Figure figure, string folder, FigureFormat format, CancellationToken cancellationToken)
    {
        string svg = AccessibleSvg.Of(figure.ToSvg(FigureTheme.Paper), figure.Name, figure.Title, figure.Description) + "\n";
        yield return (PathOf(figure, folder, FigureFormat.Svg), AtomicFile.Text(svg));
        if (format != FigureFormat.Svg)
        {
            byte[] converted = new FigureConverter().Convert(svg, figure.Width, format, cancellationToken);
            yield return (PathOf(figure, folder, format), stream => stream.Write(converted));
        }
    }
}
