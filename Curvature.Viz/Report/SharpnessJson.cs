using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>The machine-readable form of a sharpness report: everything the page shows, at full precision.</summary>
public static class SharpnessJson
{
    /// <summary>One JSON object: environment, what was measured on what, the quantities, findings.</summary>
    public static string Write(SharpnessReport report) => Of(report).Write(report.Findings);

    /// <summary>The report's findings and, where a number of the report is not finite and none of them says so, one that does.</summary>
    public static IReadOnlyList<Finding> Findings(SharpnessReport report) => Of(report).Findings(report.Findings);

    private static JsonReport Of(SharpnessReport report)
    {
        JsonReport json = Quantities(report);
        if (report.Summary.Stability is { } stability)
        {
            json.Add("stability", StabilityJson.Of(stability));
        }

        if (report.Summary.BatchSizes is { } sizes)
        {
            json.Add("batch_sizes", StabilityJson.Of(sizes));
        }

        if (report.Summary.Landscape is { } landscape)
        {
            json.Add("landscape", LandscapeJson.Of(landscape));
        }

        return json.Add("cuts", report.Cuts);
    }

    private static JsonReport Quantities(SharpnessReport report) =>
        new JsonReport(report.Environment)
            .Add("command", report.Command)
            .Add("model", report.ModelName)
            .Add("data", report.DataName)
            .Add("loss_function", report.LossName)
            .Add("matrix", report.Summary.Matrix)
            .Add("parameters", report.Summary.Parameters)
            .Add("loss", report.Summary.Loss)
            .Add("gradient_norm", report.Summary.GradientNorm)
            .Add("largest_stable_learning_rate", report.Summary.Largest is { Converged: true } ? report.Summary.LargestStableLearningRate : null) // else a bound that it is below
            .Add("trace", report.Summary.Trace?.Total)
            .Add("layers", report.Summary.Trace?.Layers)
            .Add("eigenvalues", report.Summary.Eigenvalues.OrderByDescending(eigenvalue => Math.Abs(eigenvalue.Value)))
            .Add("density", report.Summary.Density is { } density ? DensityJson.Of(density) : null)
            .Add("exact", Exact(report.Summary));

    private static Dictionary<string, object?>? Exact(SharpnessSummary summary) =>
        summary is { ExactEigenvalues: null, ExactLayerTraces: null } ? null : new()
        {
            ["trace"] = summary.ExactEigenvalues?.Sum() ?? summary.ExactLayerTraces?.Values.Sum(),
            ["eigenvalues"] = summary.ExactEigenvalues,
            ["layers"] = summary.ExactLayerTraces?.Select(layer =>
                new Dictionary<string, object?> { ["name"] = layer.Key, ["trace"] = layer.Value }),
        };
}
