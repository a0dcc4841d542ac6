using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// Cuts a model's graph while it is evaluated: each of the hooked layers hands on a leaf with its output's values, so that what the layer was given leads back to earlier leaves and no further. Hooks fire on
/// <c>call</c>, not on <c>forward</c>. The leaf is handed on as a copy, so that nothing that later writes in place reaches it. What was recorded is disposed with the tape unless it is taken.
/// </summary>
internal sealed class CutTape : IDisposable
{
    private readonly List<CutPoint> _points = [];
    private readonly List<Action> _removals;
    private readonly List<Tensor> _changed = [];

    public CutTape(IEnumerable<nn.Module<Tensor, Tensor>> layers) =>
        _removals = [.. layers.Select(layer => (Action)layer.register_forward_hook(Record).remove)];

    /// <summary>Whether a hook changed what a layer returned, for one host synchronisation: there a layer's output is not what its input makes of it.</summary>
    public bool HooksChangeOutputs => _changed.Count > 0 && stack(_changed).any().ToBoolean();

    /// <summary>The calls that were cut, in order; from now on the caller's to dispose.</summary>
    public CutPoint[] Take()
    {
        CutPoint[] taken = [.. _points];
        _points.Clear();
        return taken;
    }

    /// <summary>Takes the hooks out.</summary>
    public void Dispose()
    {
        _removals.ForEach(remove => remove());
        _removals.Clear();
        _points.ForEach(point => point.Dispose());
        _changed.ForEach(answer => answer.Dispose());
    }

    private Tensor Record(nn.Module<Tensor, Tensor> layer, Tensor input, Tensor output)
    {
        if (!output.requires_grad)
        {
            return output; // evaluated without gradients: a constant
        }

        // Layers that are given the same tensor share what leads to it.
        _changed.Add(Differs(layer, input, output));
        int source = _points.FindIndex(point => ReferenceEquals(point.Given, input));
        Tensor leaf = output.detach().requires_grad_().DetachFromDisposeScope();
        _points.Add(new CutPoint(layer, input, source < 0 ? _points.Count : source, input.alias().DetachFromDisposeScope(), leaf));
        return leaf.clone();
    }

    /// <summary>Whether an output is another than the layer gives without its hooks, which may change some rows of some batches: a Boolean scalar of no scope.</summary>
    private static Tensor Differs(nn.Module<Tensor, Tensor> layer, Tensor input, Tensor output)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor own = layer.forward(input.detach()), given = output.detach();
        bool sameShape = own.shape.SequenceEqual(given.shape);
        if (!sameShape || own.numel() == 0)
        {
            return tensor(!sameShape, device: output.device).DetachFromDisposeScope();
        }

        double rounding = own.dtype == ScalarType.Float64 ? 1e-12 : 1e-5;
        return own.sub(given).abs().max().sub(given.abs().max().mul(rounding)).gt(0).DetachFromDisposeScope();
    }
}
