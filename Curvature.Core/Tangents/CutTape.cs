using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// Cuts a model's graph while it is evaluated: each of the hooked layers hands on a leaf with its output's values, so that what the layer was given leads back to earlier leaves and no further. Hooks fire on
/// <c>call</c>, not on <c>forward</c>. The leaf is handed on as a copy, so that nothing that later writes in place reaches it. What was recorded is its taker's to dispose.
/// </summary>
internal sealed class CutTape : IDisposable
{
    private readonly List<CutPoint> _points = [];
    private readonly List<Action> _removals;

    public CutTape(IEnumerable<nn.Module<Tensor, Tensor>> layers) =>
        _removals = [.. layers.Select(layer => (Action)layer.register_forward_hook(Record).remove)];

    /// <summary>The calls that were cut, in order.</summary>
    public IReadOnlyList<CutPoint> Points => _points;

    /// <summary>Takes the hooks out.</summary>
    public void Dispose()
    {
        _removals.ForEach(remove => remove());
        _removals.Clear();
    }

    private Tensor Record(nn.Module<Tensor, Tensor> layer, Tensor input, Tensor output)
    {
        if (!output.requires_grad)
        {
            return output; // evaluated without gradients: a constant
        }

        // Layers that are given the same tensor share what leads to it.
        int source = _points.FindIndex(point => ReferenceEquals(point.Given, input));
        Tensor leaf = output.detach().requires_grad_().DetachFromDisposeScope();
        _points.Add(new CutPoint(layer, input, source < 0 ? _points.Count : source, input.alias().DetachFromDisposeScope(), leaf));
        return leaf.clone();
    }
}
