using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>One call of a layer.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Input">What it was given, without graph.</param>
/// <param name="Output">What it returned, in the graph.</param>
internal sealed record LayerCall(nn.Module<Tensor, Tensor> Layer, Tensor Input, Tensor Output);
