using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>The catalogue of layers whose per-sample gradients are known. A new kind is one file and one line here.</summary>
internal static class KnownLayers
{
    /// <summary>All kinds.</summary>
    public static IReadOnlyList<ILayerKind> All { get; } = [new LinearLayer(), new ConvolutionLayer(), new EmbeddingLayer(), new BatchNormLayer(), new LayerNormLayer()];

    /// <summary>Their names, for messages.</summary>
    public static string Names => string.Join(", ", All.Select(kind => kind.Name));

    /// <summary>The kind of a layer, null where it is unknown.</summary>
    public static ILayerKind? KindOf(nn.Module module) => module is nn.Module<Tensor, Tensor> ? All.FirstOrDefault(kind => kind.Includes(module)) : null;
}
