using Curvature.Operators;

namespace Curvature.Estimators;

/// <summary>Passes on the progress of a part of some work as that of the whole.</summary>
/// <param name="inner">Told of the whole.</param>
/// <param name="done">Products finished before the part.</param>
/// <param name="total">Products planned for the whole.</param>
internal sealed class OffsetProgress(IProgress<ProductProgress> inner, int done, int total) : IProgress<ProductProgress>
{
    /// <summary>One around a progress, if there is any.</summary>
    public static OffsetProgress? Of(IProgress<ProductProgress>? inner, int done, int total) =>
        inner is null ? null : new OffsetProgress(inner, done, total);

    public void Report(ProductProgress value) => inner.Report(value with { Done = done + value.Done, Total = total });
}
