using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>The machine-readable form of a watched training: <c>environment</c>, <c>command</c>, <c>observations</c> as the monitor wrote them, <c>findings</c>.</summary>
public static class MonitorJson
{
    /// <summary>One JSON object.</summary>
    /// <param name="content">The page.</param>
    /// <param name="records">What it is about.</param>
    public static string Write(ReportContent content, IReadOnlyList<MonitorRecord> records)
    {
        ArgumentNullException.ThrowIfNull(content);
        return new JsonReport(content.Environment)
            .Add("command", content.Command)
            .Add("observations", records.Select(record => new Dictionary<string, object?>
            {
                ["step"] = record.Step,
                ["loss"] = record.Loss,
                ["gradient_norm"] = record.GradientNorm,
                ["sharpness"] = record.Sharpness,
                ["critical_sharpness"] = record.CriticalSharpness,
                ["trace"] = record.Trace?.Value,
                ["trace_standard_error"] = Finite(record.Trace?.StandardError),
                ["batch_sharpness"] = record.BatchSharpness?.Value,
                ["batch_sharpness_standard_error"] = Finite(record.BatchSharpness?.StandardError),
                ["alignment"] = record.Alignment,
                ["learning_rate"] = record.LearningRate,
                ["products"] = record.Products,
                ["seconds"] = record.Seconds,
                ["overhead"] = Finite(record.Overhead),
                ["problem"] = record.Problem,
            }))
            .Write(content.Findings);
    }

    /// <summary>The number; null where it is not known.</summary>
    private static double? Finite(double? number) => number is { } known && double.IsFinite(known) ? known : null;
}
