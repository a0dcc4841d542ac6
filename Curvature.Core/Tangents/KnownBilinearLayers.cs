using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>The catalogue of bilinear layers. A new kind is one file and one line here.</summary>
internal static class KnownBilinearLayers
{
    /// <summary>All kinds.</summary>
    public static IReadOnlyList<IBilinearLayer> All { get; } = [new LinearLayers(), new ConvolutionLayers(), new BatchNormLayers()];

    /// <summary>The kind of a layer, null where it is none.</summary>
    public static IBilinearLayer? KindOf(nn.Module module) => module is nn.Module<Tensor, Tensor> ? All.FirstOrDefault(kind => kind.WeightOf(module) is not null) : null;
}
