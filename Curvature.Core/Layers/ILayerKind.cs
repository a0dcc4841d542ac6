using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>A kind of layer whose per-sample gradients are known from what it was given and what came back. A new kind is one file and one line in <see cref="KnownLayers"/>.</summary>
internal interface ILayerKind
{
    /// <summary>Its name in messages.</summary>
    string Name { get; }

    /// <summary>Whether a call may have several positions of a sample in its first dimension, samples first.</summary>
    bool TakesFoldedPositions { get; }

    /// <summary>Whether a layer is of this kind.</summary>
    bool Includes(nn.Module layer);

    /// <summary>The parameters of a layer of this kind.</summary>
    IEnumerable<LayerParameter> Parameters(nn.Module<Tensor, Tensor> layer);

    /// <summary>What keeps this layer, as it is set, from having per-sample gradients; null where nothing does.</summary>
    string? Obstacle(nn.Module layer) => null;

    /// <summary>The layer's own parameter of that name; null where it has none.</summary>
    static Tensor? Own(nn.Module layer, string name)
    {
        foreach ((string of, TorchSharp.Modules.Parameter parameter) in layer.named_parameters(recurse: false))
        {
            if (of == name)
            {
                return parameter;
            }
        }

        return null;
    }
}
