using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Convolutions over one to three dimensions: a linear map of the patches under the kernel, a position an output pixel, a matrix a group.</summary>
internal sealed class ConvolutionLayer : ILayerKind
{
    public string Name => "Conv1d, Conv2d, Conv3d";

    public bool TakesFoldedPositions => false;

    public bool Includes(nn.Module layer) => layer is Convolution && layer.GetType().Name is "Conv1d" or "Conv2d" or "Conv3d";

    public IEnumerable<LayerParameter> Parameters(nn.Module<Tensor, Tensor> layer)
    {
        Convolution convolution = (Convolution)layer;
        long groups = convolution.groups, outputs = convolution.weight.shape[0];
        yield return new LayerParameter(
            convolution.weight,
            new MatrixShape(groups, outputs / groups, convolution.weight.numel() / outputs),
            false,
            (call, _) => WeightUse.Of(convolution, call.Input, call.Output.shape.AsSpan(2)));
        if (convolution.bias is { } bias)
        {
            yield return new LayerParameter(bias, null, true, (_, samples) => new AffineUse(null, AffineUse.ChannelsFirst(samples, outputs), samples, outputs));
        }
    }
}
