using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>Writes a report's files into a folder, all or none.</summary>
public static class ReportWriter
{
    /// <summary>
    /// Writes <c>report.html</c>, <c>report.json</c> and one SVG per figure into <paramref name="folder"/>, which is created if missing.
    /// Files of an earlier report are replaced only once all new ones are on the disk.
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
        List<(string Path, Action<Stream> Write)> files =
        [
            (Path.Combine(folder, name + ".html"), AtomicFile.Text(HtmlReport.Write(content))),
            (Path.Combine(folder, name + ".json"), AtomicFile.Text(json)),
            .. figures.SelectMany(figure => Files(figure, folder, format)),
        ];
        AtomicFile.WriteAll(files, cancellationToken);
        return [.. files.Select(file => file.Path)];
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
    public static IReadOnlyList<string> Write(IReadOnlyList<Figure> figures, string name, string json, string folder, FigureFormat format = FigureFormat.Svg, CancellationToken cancellationToken = default)
    {
        List<(string Path, Action<Stream> Write)> files =
        [
            (Path.Combine(folder, name), AtomicFile.Text(json)),
            .. figures.SelectMany(figure => Files(figure, folder, format)),
        ];
        AtomicFile.WriteAll(files, cancellationToken);
        return [.. files.Select(file => file.Path)];
    }

    /// <summary>The SVG of a figure and, converted before any file is written, what is asked for beside it.</summary>
    private static IEnumerable<(string Path, Action<Stream> Write)> Files(Figure figure, string folder, FigureFormat format)
    {
        string svg = AccessibleSvg.Of(figure.ToSvg(FigureTheme.Paper), figure.Name, figure.Title, figure.Description) + "\n";
        yield return (Path.Combine(folder, figure.Name + ".svg"), AtomicFile.Text(svg));
        if (format != FigureFormat.Svg)
        {
            byte[] converted = new FigureConverter().Convert(svg, figure.Width, format);
            yield return (Path.Combine(folder, $"{figure.Name}.{format.ToString().ToLowerInvariant()}"), stream => stream.Write(converted));
        }
    }
}
