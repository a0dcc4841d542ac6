using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Batch norm that normalises by its running statistics: a scale and a shift a channel.</summary>
internal sealed class BatchNormLayer : ILayerKind
{
    public string Name => "BatchNorm (in evaluation mode)";

    public bool TakesFoldedPositions => false;

    /// <summary>Whether a module normalises by the batch's own statistics, so that samples see each other.</summary>
    public static bool CouplesSamples(nn.Module module) => module is BatchNorm norm && (norm.training || norm.running_mean is null);

    public bool Includes(nn.Module layer) => layer is BatchNorm;

    public string? Obstacle(nn.Module layer) => CouplesSamples(layer) ? "normalises by the batch's statistics (train mode), through which samples see each other" : null;

    public IEnumerable<LayerParameter> Parameters(nn.Module<Tensor, Tensor> layer)
    {
        BatchNorm norm = (BatchNorm)layer;
        if (!norm.affine)
        {
            yield break;
        }

        long features = norm.weight.numel();
        yield return new LayerParameter(
            norm.weight, null, false, (call, samples) => new AffineUse(Normalised(norm, call.Input), AffineUse.ChannelsFirst(samples, features), samples, features));
        if (norm.bias is { } bias)
        {
            yield return new LayerParameter(bias, null, false, (_, samples) => new AffineUse(null, AffineUse.ChannelsFirst(samples, features), samples, features));
        }
    }

    private static Tensor Normalised(BatchNorm norm, Tensor x) =>
        nn.functional.batch_norm(x, norm.running_mean, norm.running_var, null, null, false, 0, norm.eps);
}
