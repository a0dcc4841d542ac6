using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>Puts a sharpness report into words, tables and figures.</summary>
public static class SharpnessContent
{
    /// <summary>The content of the page. Quantities that were not measured are left out.</summary>
    public static ReportContent Of(SharpnessReport report) => new()
    {
        Kind = "Sharpness report",
        Title = report.ModelName,
        Lead = $"Curvature of the {report.LossName} loss on {report.DataName}: " +
            $"the {Matrix(report.Summary.Matrix)} over {NumberText.Of(report.Summary.Parameters)} parameters.",
        Headlines = [.. SharpnessHeadlines.Of(report.Summary)],
        Findings = SharpnessJson.Findings(report),
        Sections = [.. SharpnessSections.Of(report.Summary)],
        Command = report.Command,
        Cuts = report.Cuts,
        Environment = report.Environment,
    };

    private static string Matrix(string name) => name switch
    {
        "hessian" => "Hessian",
        "ggn" => "generalised Gauss-Newton matrix",
        "fisher" => "Fisher matrix",
        "empirical-fisher" => "empirical Fisher matrix",
        _ => name,
    };
}
