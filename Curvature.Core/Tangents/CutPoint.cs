using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>A layer's call at which a graph was cut.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Given">The very handle that it was called with, which the model may dispose; only for telling whether two calls were given the same.</param>
/// <param name="Handed">The very handle that it handed on, likewise.</param>
/// <param name="Source">The first point that was given the same tensor.</param>
/// <param name="Direct">The point whose leaf it was given as it is; -1 where it was given something else.</param>
/// <param name="Input">What it was given, with the graph that leads there from earlier leaves.</param>
/// <param name="Output">What it made of that, with the layer's own graph.</param>
/// <param name="Leaf">What the model goes on from, with the values of <paramref name="Output"/>.</param>
internal sealed record CutPoint(nn.Module<Tensor, Tensor> Layer, Tensor Given, Tensor Handed, int Source, int Direct, Tensor Input, Tensor Output, Tensor Leaf) : IDisposable
{
    public void Dispose()
    {
        Input.Dispose();
        Output.Dispose();
        Leaf.Dispose();
    }
}
