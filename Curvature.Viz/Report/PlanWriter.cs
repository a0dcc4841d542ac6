namespace Curvature.Viz.Report;

/// <summary>Writes a plan's files into a folder, all or none.</summary>
public static class PlanWriter
{
    /// <summary>Writes <c>plan.html</c>, <c>plan.json</c> and one SVG per figure into <paramref name="folder"/>, which is created if missing.</summary>
    /// <param name="report">The plan.</param>
    /// <param name="json">What <c>plan.json</c> is to hold.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="format">The figures in another format too.</param>
    /// <param name="cancellation">Looked at before each file and once before all get their names.</param>
    /// <returns>The paths written, the page first.</returns>
    /// <exception cref="CurvatureException">The folder cannot be written; nothing was changed.</exception>
    public static IReadOnlyList<string> Write(PlanReport report, string json, string folder, FigureFormat format = FigureFormat.Svg, CancellationToken cancellation = default) =>
        ReportWriter.Write(PlanContent.Of(report), json, folder, "plan", format, cancellation);
}
