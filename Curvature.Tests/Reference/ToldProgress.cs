using Curvature.Operators;

namespace Curvature.Tests.Reference;

/// <summary>Progress that is told at once, on the same thread.</summary>
internal sealed class ToldProgress(Action<ProductProgress> told) : IProgress<ProductProgress>
{
    public void Report(ProductProgress value) => told(value);
}
