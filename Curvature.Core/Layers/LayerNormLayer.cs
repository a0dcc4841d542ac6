using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Layer norm: a scale and a shift for each of the features normalised over.</summary>
internal sealed class LayerNormLayer : ILayerKind
{
    public string Name => "LayerNorm";

    public bool TakesFoldedPositions => true;

    public bool Includes(nn.Module layer) => layer is LayerNorm;

    public IEnumerable<LayerParameter> Parameters(nn.Module<Tensor, Tensor> layer)
    {
        LayerNorm norm = (LayerNorm)layer;
        if (norm.weight is not { } weight)
        {
            yield break;
        }

        long features = weight.numel();
        yield return new LayerParameter(
            weight, null, false, (call, samples) => new AffineUse(Normalised(norm, call.Input), AffineUse.FeaturesLast(samples, features), samples, features));
        if (norm.bias is { } bias)
        {
            yield return new LayerParameter(bias, null, false, (_, samples) => new AffineUse(null, AffineUse.FeaturesLast(samples, features), samples, features));
        }
    }

    private static Tensor Normalised(LayerNorm norm, Tensor x) => nn.functional.layer_norm(x, [.. norm.weight.shape], null, null, norm.eps);
}
