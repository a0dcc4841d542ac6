using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Linear layers: inputs <c>[N, ..., in]</c>, all positions under one weight <c>[out, in]</c>.</summary>
internal sealed class LinearLayer : ILayerKind
{
    public string Name => "Linear";

    public bool TakesFoldedPositions => true;

    public bool Includes(nn.Module layer) => layer is Linear;

    public IEnumerable<LayerParameter> Parameters(nn.Module<Tensor, Tensor> layer)
    {
        Linear linear = (Linear)layer;
        long outputs = linear.weight.shape[0];
        yield return new LayerParameter(
            linear.weight, new MatrixShape(1, outputs, linear.weight.shape[1]), false, (call, samples) => WeightUse.Of(linear, call.Input, samples));
        if (linear.bias is { } bias)
        {
            yield return new LayerParameter(bias, null, true, (_, samples) => new AffineUse(null, AffineUse.FeaturesLast(samples, outputs), samples, outputs));
        }
    }
}
