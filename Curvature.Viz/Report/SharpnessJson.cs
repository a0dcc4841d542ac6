using Curvature.Estimators;
using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>The machine-readable form of a sharpness report: everything the page shows, at full precision.</summary>
public static class SharpnessJson
{
    /// <summary>One JSON object: environment, what was measured on what, the quantities, findings.</summary>
    public static string Write(SharpnessReport report) =>
        new JsonReport(report.Environment)
            .Add("command", report.Command)
            .Add("model", report.ModelName)
            .Add("data", report.DataName)
            .Add("loss_function", report.LossName)
            .Add("matrix", report.MatrixName)
            .Add("parameters", report.ParameterCount)
            .Add("loss", report.Loss)
            .Add("accuracy", report.Accuracy)
            .Add("gradient_norm", report.GradientNorm)
            .Add("largest_stable_learning_rate", report.LargestStableLearningRate)
            .Add("trace", report.Trace?.Total)
            .Add("layers", report.Trace?.Layers)
            .Add("eigenvalues", report.Eigenvalues.OrderByDescending(eigenvalue => Math.Abs(eigenvalue.Value)))
            .Add("density", Density(report))
            .Add("exact", Exact(report))
            .Add("cuts", report.Cuts)
            .Write(report.Findings);

    private static Dictionary<string, object?>? Density(SharpnessReport report) => report.Density is not { } density ? null : new()
    {
        ["dimension"] = density.Dimension,
        ["minimum"] = density.Minimum,
        ["maximum"] = density.Maximum,
        ["kernel_width"] = density.KernelWidth,
        ["products"] = density.Products,
        ["near_zero"] = report.NearZero,
        ["mass_near_zero"] = report.MassNearZero,
        ["negative_mass"] = report.NegativeMass,
        ["runs"] = density.Runs.Select(Rule),
    };

    private static Dictionary<string, object?> Rule(QuadratureRule rule) => new() { ["nodes"] = rule.Nodes, ["weights"] = rule.Weights };

    private static Dictionary<string, object?>? Exact(SharpnessReport report)
    {
        if (report.ExactEigenvalues is null && report.ExactLayerTraces is null)
        {
            return null;
        }

        return new()
        {
            ["trace"] = report.ExactEigenvalues?.Sum() ?? report.ExactLayerTraces!.Values.Sum(),
            ["eigenvalues"] = report.ExactEigenvalues,
            ["layers"] = report.ExactLayerTraces?.Select(layer => new Dictionary<string, object?> { ["name"] = layer.Key, ["trace"] = layer.Value }),
        };
    }
}
