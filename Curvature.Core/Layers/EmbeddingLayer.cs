using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Embeddings: tokens <c>[N, ...]</c> choose rows of the weight <c>[symbols, width]</c>.</summary>
internal sealed class EmbeddingLayer : ILayerKind
{
    public string Name => "Embedding";

    public bool TakesFoldedPositions => true;

    public bool Includes(nn.Module layer) => layer is Embedding;

    public IEnumerable<LayerParameter> Parameters(nn.Module<Tensor, Tensor> layer)
    {
        // The layer's weight property is another handle at each look; its list of parameters has the one that the model shows.
        Tensor weight = ILayerKind.Own(layer, "weight")!;
        (long symbols, long width) = (weight.shape[0], weight.shape[1]);
        yield return new LayerParameter(weight, new MatrixShape(1, symbols, width, IsOneHot: true), false, (call, samples) => new KroneckerUse(
            new OneHotInputs(call.Input.reshape(samples, -1).to(ScalarType.Int64), symbols),
            g => g.reshape(samples, 1, -1, width).transpose(2, 3),
            symbols * width));
    }
}
