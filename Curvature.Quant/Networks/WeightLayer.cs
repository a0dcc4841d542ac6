using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>A module that owns a weight of rank 2 or more: what gets bits of its own.</summary>
/// <param name="Name">The module's path, <c>layer1.0.conv2</c>; <c>weight</c> where the model itself owns it.</param>
/// <param name="Weight">
/// The model's own tensor, <c>[C_out, ...]</c>: channels are its first dimension (of transposed convolutions the inputs' channels, of embeddings the symbols).
/// </param>
/// <param name="Module">The module; of a weight that several share, the first. Null for TorchScript, whose modules cannot be looked into.</param>
/// <param name="Macs">Multiply-accumulates of one sample, all calls together; null: unknown.</param>
public sealed record WeightLayer(string Name, Tensor Weight, nn.Module? Module, long? Macs)
{
    /// <summary>Entries of the weight.</summary>
    public long Parameters { get; } = Weight.numel();
}
