using Curvature.Operators;

namespace Curvature.Cli.Work;

/// <summary>Passes progress on as a share of what was planned, and beyond that of the most there may be, which is said.</summary>
/// <param name="progress">Told.</param>
/// <param name="planned">Products that were announced.</param>
internal sealed class PlannedProgress(IProgress<ProductProgress> progress, int planned) : IProgress<ProductProgress>
{
    public void Report(ProductProgress value) => progress.Report(value.Done <= planned
        ? value with { Total = Math.Min(planned, value.Total) }
        : value with { Stage = $"{value.Stage}, more than planned" });
}
