using Curvature.Operators;

namespace Curvature.Cli.Work;

/// <summary>Passes progress on with the layer's name behind that of the stage.</summary>
internal sealed class LayerProgress(IProgress<ProductProgress> progress, string layer) : IProgress<ProductProgress>
{
    public void Report(ProductProgress value) => progress.Report(value with { Stage = $"{value.Stage} of {layer}" });
}
