using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>A layer's call at which a graph was cut.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Given">The very handle that it was given, which the model may dispose; only for telling whether two calls were given the same.</param>
/// <param name="Source">The first point that was given the same tensor.</param>
/// <param name="Input">What it was given, with the graph that leads there from earlier leaves.</param>
/// <param name="Leaf">What the graph goes on from, with the values of the layer's output.</param>
internal sealed record CutPoint(nn.Module<Tensor, Tensor> Layer, Tensor Given, int Source, Tensor Input, Tensor Leaf) : IDisposable
{
    public void Dispose()
    {
        Input.Dispose();
        Leaf.Dispose();
    }
}
